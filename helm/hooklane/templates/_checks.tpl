{{/* What the schema cannot say: values that do not fit together. All of it is told at once. */}}
{{- define "hooklane.check" -}}
{{- $problems := concat
  (include "hooklane.kafkaProblems" . | fromYamlArray)
  (include "hooklane.secretProblems" . | fromYamlArray)
  (include "hooklane.scalingProblems" . | fromYamlArray)
  (include "hooklane.otherProblems" . | fromYamlArray) -}}
{{- if $problems -}}
{{- fail (printf "\n\nThese values do not work:\n  - %s\n" (join "\n  - " $problems)) -}}
{{- end -}}
{{- end -}}

{{- define "hooklane.kafkaProblems" -}}
{{- $sasl := .Values.kafka.sasl -}}
{{- $tls := .Values.kafka.tls -}}
{{- if not .Values.kafka.bootstrapServers }}
- "kafka.bootstrapServers is needed: the brokers to ask first, host:port"
{{- end }}
{{- if include "hooklane.isSasl" . }}
{{- if not (include "hooklane.saslMechanism" .) }}
- "kafka.sasl.mechanism is needed by kafka.securityProtocol {{ .Values.kafka.securityProtocol }}"
{{- end }}
{{- if and (eq .Values.users.mode "none") (not $sasl.existingSecret) (not (and $sasl.username $sasl.password)) }}
{{- range $name := include "hooklane.components" . | fromJsonArray }}
{{- if not (index $.Values $name).kafkaSecret }}
- "kafka.sasl.existingSecret (or {{ $name }}.kafkaSecret, or users.mode strimzi) is needed by kafka.securityProtocol {{ $.Values.kafka.securityProtocol }}"
{{- end }}
{{- end }}
{{- end }}
{{- else if or $sasl.mechanism $sasl.existingSecret $sasl.username $sasl.password }}
- "kafka.sasl is set, so kafka.securityProtocol must be SASL_SSL or SASL_PLAINTEXT"
{{- end }}
{{- if and (or $tls.existingSecret $tls.clientSecret) (not (include "hooklane.isTls" .)) }}
- "kafka.tls is set, so kafka.securityProtocol must be SSL or SASL_SSL"
{{- end }}
{{- if and $tls.clientSecret (include "hooklane.isSasl" .) }}
- "kafka.tls.clientSecret is for kafka.securityProtocol SSL; with SASL the user is in kafka.sasl"
{{- end }}
{{- if and (or (eq .Values.users.mode "strimzi") (eq .Values.topics.mode "strimzi")) (not .Values.strimzi.cluster) }}
- "strimzi.cluster is needed by topics.mode and users.mode strimzi: the name of the Kafka resource"
{{- end }}
{{- if eq .Values.users.mode "strimzi" }}
{{- if and (eq .Values.users.authentication "tls") (ne .Values.kafka.securityProtocol "SSL") }}
- "users.authentication tls needs kafka.securityProtocol SSL"
{{- end }}
{{- if and (eq .Values.users.authentication "scram-sha-512") (not (include "hooklane.isSasl" .)) }}
- "users.authentication scram-sha-512 needs kafka.securityProtocol SASL_SSL or SASL_PLAINTEXT"
{{- end }}
{{- end }}
{{- if and .Values.topics.config (ne .Values.topics.mode "strimzi") }}
- "topics.config is for topics.mode strimzi; hooklane topics apply changes nothing that exists"
{{- end }}
{{- end -}}

{{- define "hooklane.secretProblems" -}}
{{- if .Values.gateway.enabled }}
{{- if not (or .Values.auth.existingSecret .Values.auth.rootKey) }}
- "auth.existingSecret is needed: a Secret with {{ .Values.auth.rootKeyKey }} (>= 32 characters)"
{{- end }}
{{- if and .Values.auth.rootKey (lt (len .Values.auth.rootKey) 32) }}
- "auth.rootKey has fewer than 32 characters"
{{- end }}
{{- end }}
{{- if and (or .Values.gateway.enabled .Values.deliverer.enabled) (not (or .Values.vault.existingSecret .Values.vault.keys)) }}
- "vault.existingSecret is needed: a Secret with {{ .Values.vault.keysKey }} (id:base64 of 32 bytes)"
{{- end }}
{{- end -}}

{{- define "hooklane.scalingProblems" -}}
{{- range $name := include "hooklane.components" . | fromJsonArray }}
{{- $c := index $.Values $name }}
{{- $a := $c.autoscaling }}
{{- if ne $a.mode "none" }}
{{- if lt (int $a.maxReplicas) (int $a.minReplicas) }}
- "{{ $name }}.autoscaling.maxReplicas is below minReplicas"
{{- end }}
{{- if and (ne $name "gateway") (gt (int $a.maxReplicas) (int $.Values.topics.partitions)) }}
- "{{ $name }}.autoscaling.maxReplicas {{ $a.maxReplicas }} is above topics.partitions {{ $.Values.topics.partitions }}: the rest would idle"
{{- end }}
{{- if and (eq $a.mode "hpa") (not (or $a.targetCPUUtilizationPercentage $a.targetMemoryUtilizationPercentage $a.metrics)) }}
- "{{ $name }}.autoscaling has no metric"
{{- end }}
{{- if and (eq $a.mode "keda") (eq $name "gateway") (not (or $a.targetCPUUtilizationPercentage $a.keda.triggers)) }}
- "gateway.autoscaling has no trigger: the gateway reads no topic"
{{- end }}
{{- end }}
{{- $shutdown := dig "lifecycle" "shutdownS" 25 $.Values.settings }}
{{- if lt (float64 $c.terminationGracePeriodSeconds) (addf $c.preStopSleepSeconds $shutdown 5) }}
- "{{ $name }}.terminationGracePeriodSeconds must be at least preStopSleepSeconds + settings.lifecycle.shutdownS + 5 = {{ addf $c.preStopSleepSeconds $shutdown 5 }}"
{{- end }}
{{- end }}
{{- end -}}

{{- define "hooklane.otherProblems" -}}
{{- if and .Values.metrics.podMonitor.enabled .Values.metrics.serviceMonitor.enabled }}
- "metrics.podMonitor and metrics.serviceMonitor together scrape everything twice"
{{- end }}
{{- if .Values.gateway.enabled }}
{{- if and .Values.gateway.ingress.enabled (not .Values.gateway.ingress.hosts) }}
- "gateway.ingress.hosts is empty"
{{- end }}
{{- if and .Values.gateway.httpRoute.enabled (not .Values.gateway.httpRoute.parentRefs) }}
- "gateway.httpRoute.parentRefs is empty: name the Gateway to attach to"
{{- end }}
{{- end }}
{{- $egress := default dict .Values.settings.egress }}
{{- if and .Values.test.echo (not (and $egress.allowHttp $egress.allowCidrs)) }}
- "test.echo needs settings.egress.allowHttp and the network of the pods in settings.egress.allowCidrs"
{{- end }}
{{- end -}}
