# Everything runs from a fresh clone with Python >= 3.11 and GNU make; each target installs what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ONCE ?=
PORT ?= 8080
WORKERS ?= 2
.DEFAULT_GOAL := help
.PHONY: help demo test prepare check format unit integration fault bench chart-apiserver generate sbom release-check release-notes chart-package clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.ready ## Kafka, topics, all services and a receiver; one verified delivery, then stays up (ONCE=1 stops)
	@$(BIN)/hooklane dev --port $(PORT) $(if $(ONCE),--once)

test: prepare check unit integration ## Everything: lint, types, layers, all tests (this is what CI runs)

# What takes minutes on a fresh clone begins here, in the background; who needs it waits for it.
prepare: $(VENV)/.ready
	@$(BIN)/python -m tools.prepare >$(VENV)/prepare.log 2>&1 </dev/null &

check: $(VENV)/.ready ## Format, lint, types, import layers, spelling
	@$(BIN)/ruff format --check -q . || { echo "run: make format"; exit 1; }
	@$(BIN)/ruff check -q .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@git ls-files -z '*.md' '*.py' ':!tests' | xargs -0 $(BIN)/codespell

format: $(VENV)/.ready ## Rewrite the code in the house format
	@$(BIN)/ruff format -q . && $(BIN)/ruff check -q --fix .

unit: $(VENV)/.ready ## Tests without Kafka: units, properties, simulation, architecture, packaging
	@$(BIN)/pytest -q -n $(WORKERS) --dist worksteal --ignore=tests/integration --ignore=tests/e2e --ignore=tests/docs --ignore=tests/fault --ignore=tests/apiserver

integration: $(VENV)/.ready ## Tests against a real Kafka and real processes
	@$(BIN)/pytest -q -n $(WORKERS) --dist loadgroup tests/e2e tests/integration tests/docs

fault: $(VENV)/.ready ## Long fault runs: brokers and processes killed, stopped and restarted under load
	@$(BIN)/pytest -q tests/fault

bench: $(VENV)/.ready ## Benchmarks as ratios beside a bare loop; writes bench/results.json
	@$(BIN)/python -m bench
	@$(BIN)/python -m bench.lanes_bench
	@$(BIN)/python -m bench.isolation_bench
	@$(BIN)/python -m bench.attack_bench
	@$(BIN)/python -m bench.registry_bench

chart-apiserver: $(VENV)/.ready ## The chart on a real Kubernetes API server: install, upgrade, rollback (builds it once, minutes)
	@$(BIN)/python -m tools.apiserver
	@$(BIN)/pytest -q tests/apiserver

generate: $(VENV)/.ready ## Write what is generated: JSON Schemas, docs/settings.md, the chart's values and schema
	@$(BIN)/python -m schemas.json_schemas
	@$(BIN)/python -m hooklane.settings_docs
	@$(BIN)/python -m hooklane.metrics_docs
	@$(BIN)/python -m tools.slo
	@$(BIN)/python -m tools.dashboards
	@$(BIN)/python -m tools.chart
	@$(BIN)/python -m gateway.openapi
	@$(BIN)/python -m tools.lane_diagram

sbom: $(VENV)/.ready ## Bill of materials of the image from the lock: build/sbom.cdx.json (CycloneDX)
	@$(BIN)/python -m tools.sbom

release-check: $(VENV)/.ready ## Whether package, chart and changelog say the version of TAG=v1.2.3
	@$(BIN)/python -m tools.release check "$(TAG)"

release-notes: $(VENV)/.ready ## What the changelog says about TAG=v1.2.3
	@$(BIN)/python -m tools.release notes "$(TAG)"

chart-package: $(VENV)/.ready ## The chart in build/, for the image REPOSITORY=… DIGEST=sha256:…
	@$(BIN)/python -m tools.release chart "$(REPOSITORY)" "$(DIGEST)"

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "hooklane needs Python >= 3.11; '$(PYTHON)' is older or missing. Install one, or run: make PYTHON=python3.12 ..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing hooklane and its tools into $(VENV) ..." >&2
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv
	@$(BIN)/uv pip install -q -p $(BIN)/python -e '.[dev]' -c constraints.txt
	@touch $@
