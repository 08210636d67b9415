{{/* The ACLs a component needs and no more. Takes a list: root, component.
     Everyone describes all topics (they are compared with the plan at start). A transactional id belongs to a
     partition (<prefix>-<service>-<p>); both writers of the registry use <prefix>-registry-<p>. */}}
{{- define "hooklane.acls" -}}
{{- $prefix := (first .).Values.topics.prefix -}}
{{- $name := last . -}}
{{- $reads := dict
  "gateway" (list "registry")
  "fanout" (list "events" "registry")
  "deliverer" (list "deliveries" "retry." "lanes" "registry") -}}
{{- $writes := dict
  "gateway" (list "events" "registry")
  "fanout" (list "deliveries" "quarantine")
  "deliverer" (list "retry." "lanes" "attempts" "dead-letters" "quarantine" "registry") -}}
{{- $ids := dict
  "gateway" (list "registry")
  "fanout" (list "fanout")
  "deliverer" (list "deliverer" "registry") -}}
{{- include "hooklane.acl" (list "topic" (printf "%s." $prefix) "prefix" (ternary (list "Create" "Describe" "DescribeConfigs") (list "Describe" "DescribeConfigs") (eq $name "topics"))) }}
{{- range $topic := default list (index $reads $name) }}
{{- include "hooklane.acl" (list "topic" (printf "%s.%s" $prefix $topic) (ternary "prefix" "literal" (hasSuffix "." $topic)) (list "Read")) }}
{{- end }}
{{- range $topic := default list (index $writes $name) }}
{{- include "hooklane.acl" (list "topic" (printf "%s.%s" $prefix $topic) (ternary "prefix" "literal" (hasSuffix "." $topic)) (list "Write")) }}
{{- end }}
{{- range $id := default list (index $ids $name) }}
{{- include "hooklane.acl" (list "transactionalId" (printf "%s-%s-" $prefix $id) "prefix" (list "Describe" "Write")) }}
{{- end }}
{{- if has $name (list "fanout" "deliverer") }}
{{- include "hooklane.acl" (list "group" (printf "%s-%s" $prefix $name) "literal" (list "Read" "Describe")) }}
{{- end }}
{{- end -}}

{{- define "hooklane.acl" }}
- resource:
    type: {{ index . 0 }}
    name: {{ index . 1 | quote }}
    patternType: {{ index . 2 }}
  operations: {{ toJson (index . 3) }}
  host: "*"
{{- end -}}
