{{/* Turn a value into the text of a variable. Numbers of YAML are floats to Helm: never in e-notation. */}}
{{- define "hooklane.text" -}}
{{- if kindIs "slice" . -}}
{{- join "," . -}}
{{- else if and (kindIs "float64" .) (eq (floor .) .) -}}
{{- printf "%.0f" . -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{- define "hooklane.bootstrap" -}}
{{- include "hooklane.text" .Values.kafka.bootstrapServers -}}
{{- end -}}

{{- define "hooklane.isSasl" -}}
{{- if hasPrefix "SASL_" .Values.kafka.securityProtocol }}true{{ end -}}
{{- end -}}

{{- define "hooklane.isTls" -}}
{{- if hasSuffix "SSL" .Values.kafka.securityProtocol }}true{{ end -}}
{{- end -}}

{{- define "hooklane.saslMechanism" -}}
{{- if .Values.kafka.sasl.mechanism -}}
{{- .Values.kafka.sasl.mechanism -}}
{{- else if and (eq .Values.users.mode "strimzi") (eq .Values.users.authentication "scram-sha-512") -}}
SCRAM-SHA-512
{{- end -}}
{{- end -}}

{{/* What all services may read: no secret, the same for every pod. */}}
{{- define "hooklane.variables" -}}
HOOKLANE_KAFKA__BOOTSTRAP_SERVERS: {{ include "hooklane.bootstrap" . | quote }}
HOOKLANE_KAFKA__SECURITY_PROTOCOL: {{ .Values.kafka.securityProtocol | quote }}
{{- if include "hooklane.isSasl" . }}
HOOKLANE_KAFKA__SASL_MECHANISM: {{ include "hooklane.saslMechanism" . | quote }}
{{- end }}
HOOKLANE_TOPICS__PREFIX: {{ .Values.topics.prefix | quote }}
HOOKLANE_TOPICS__PARTITIONS: {{ include "hooklane.text" .Values.topics.partitions | quote }}
HOOKLANE_TOPICS__REPLICATION_FACTOR: {{ include "hooklane.text" .Values.topics.replicationFactor | quote }}
{{- range $section, $fields := .Values.settings }}
{{- range $field, $value := $fields }}
{{- if not (kindIs "invalid" $value) }}
{{ printf "HOOKLANE_%s__%s" (snakecase $section) (snakecase $field) | upper }}: {{ include "hooklane.text" $value | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Where a component's Kafka user comes from. Takes a list: root, component. As JSON:
     username (text) or usernameSecret+usernameKey; passwordSecret+passwordKey; clientSecret+certKey+keyKey. */}}
{{- define "hooklane.credentials" -}}
{{- $root := first . -}}
{{- $name := last . -}}
{{- $kafka := $root.Values.kafka -}}
{{- $own := "" -}}
{{- if eq $name "topics" }}{{- $own = $root.Values.topics.job.kafkaSecret }}{{- else }}{{- $own = (index $root.Values $name).kafkaSecret }}{{- end -}}
{{- $user := include "hooklane.componentName" . -}}
{{- $out := dict -}}
{{- $isStrimzi := and (eq $root.Values.users.mode "strimzi") (not $own) -}}
{{- if include "hooklane.isSasl" $root -}}
{{- if $isStrimzi -}}
{{- $out = dict "username" $user "passwordSecret" $user "passwordKey" "password" -}}
{{- else -}}
{{- $secret := coalesce $own $kafka.sasl.existingSecret (include "hooklane.fullname" $root) -}}
{{- $out = dict "passwordSecret" $secret "passwordKey" $kafka.sasl.passwordKey -}}
{{- if not (or $own $kafka.sasl.existingSecret) }}{{- $_ := set $out "passwordKey" "kafka-password" }}{{- end -}}
{{- if $kafka.sasl.username -}}
{{- $_ := set $out "username" $kafka.sasl.username -}}
{{- else -}}
{{- $_ := set $out "usernameSecret" $secret -}}
{{- $_ := set $out "usernameKey" $kafka.sasl.usernameKey -}}
{{- end -}}
{{- end -}}
{{- else if include "hooklane.isTls" $root -}}
{{- if and $isStrimzi (eq $root.Values.users.authentication "tls") -}}
{{- $out = dict "clientSecret" $user "certKey" "user.crt" "keyKey" "user.key" -}}
{{- else if or $own $kafka.tls.clientSecret -}}
{{- $out = dict "clientSecret" (coalesce $own $kafka.tls.clientSecret) "certKey" $kafka.tls.certKey "keyKey" $kafka.tls.keyKey -}}
{{- end -}}
{{- end -}}
{{- toJson $out -}}
{{- end -}}

{{- define "hooklane.secretRef" -}}
valueFrom:
  secretKeyRef:
    name: {{ first . }}
    key: {{ last . }}
{{- end -}}

{{/* The variables of one component's container. Takes a list: root, component. */}}
{{- define "hooklane.ownVariables" -}}
{{- $root := first . -}}
{{- $name := last . -}}
{{- $full := include "hooklane.fullname" $root -}}
{{- $user := include "hooklane.credentials" . | fromJson -}}
{{- if ne $name "topics" }}
- name: HOOKLANE_ADMIN__PORT
  value: {{ include "hooklane.adminPort" $name | quote }}
{{- end }}
{{- if eq $name "gateway" }}
- name: HOOKLANE_GATEWAY__PORT
  value: "8080"
- name: HOOKLANE_AUTH__ROOT_KEY
  {{- include "hooklane.rootKeyRef" $root | nindent 2 }}
{{- end }}
{{- if has $name (list "gateway" "deliverer") }}
- name: HOOKLANE_VAULT__KEYS
  {{- with $root.Values.vault }}
  {{- include "hooklane.secretRef" (list (default $full .existingSecret) (ternary .keysKey "vault-keys" (ne .existingSecret ""))) | nindent 2 }}
  {{- end }}
{{- end }}
{{- if $user.username }}
- name: HOOKLANE_KAFKA__SASL_USERNAME
  value: {{ $user.username | quote }}
{{- else if $user.usernameSecret }}
- name: HOOKLANE_KAFKA__SASL_USERNAME
  {{- include "hooklane.secretRef" (list $user.usernameSecret $user.usernameKey) | nindent 2 }}
{{- end }}
{{- if $user.passwordSecret }}
- name: HOOKLANE_KAFKA__SASL_PASSWORD
  {{- include "hooklane.secretRef" (list $user.passwordSecret $user.passwordKey) | nindent 2 }}
{{- end }}
{{- if and (include "hooklane.isTls" $root) $root.Values.kafka.tls.existingSecret }}
- name: HOOKLANE_KAFKA__SSL_CAFILE
  value: /etc/hooklane/kafka-ca/ca.crt
{{- end }}
{{- if $user.clientSecret }}
- name: HOOKLANE_KAFKA__SSL_CERTFILE
  value: /etc/hooklane/kafka-client/tls.crt
- name: HOOKLANE_KAFKA__SSL_KEYFILE
  value: /etc/hooklane/kafka-client/tls.key
{{- end }}
{{- end -}}

{{- define "hooklane.rootKeyRef" -}}
{{- with .Values.auth -}}
{{- include "hooklane.secretRef" (list (default (include "hooklane.fullname" $) .existingSecret) (ternary .rootKeyKey "root-key" (ne .existingSecret ""))) -}}
{{- end -}}
{{- end -}}

{{/* `env` and `envFrom`. Takes a list: root, component, extraEnv, extraEnvFrom. A name is never listed twice. */}}
{{- define "hooklane.env" -}}
{{- $root := index . 0 -}}
{{- $given := list -}}
{{- range (index . 2) }}{{- $given = append $given .name }}{{- end -}}
{{- $env := list -}}
{{- range (include "hooklane.ownVariables" (list $root (index . 1)) | fromYamlArray) -}}
{{- if not (has .name $given) }}{{- $env = append $env . }}{{- end -}}
{{- end -}}
{{- with concat $env (index . 2) }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
envFrom:
  - configMapRef:
      name: {{ include "hooklane.fullname" $root }}
  {{- with (index . 3) }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Mounts of Kafka's certificates and of /tmp. Takes a list: root, component. */}}
{{- define "hooklane.mounts" -}}
{{- $root := first . -}}
{{- $user := include "hooklane.credentials" . | fromJson -}}
- name: tmp
  mountPath: /tmp
{{- if and (include "hooklane.isTls" $root) $root.Values.kafka.tls.existingSecret }}
- name: kafka-ca
  mountPath: /etc/hooklane/kafka-ca
  readOnly: true
{{- end }}
{{- if $user.clientSecret }}
- name: kafka-client
  mountPath: /etc/hooklane/kafka-client
  readOnly: true
{{- end }}
{{- end -}}

{{- define "hooklane.volumes" -}}
{{- $root := first . -}}
{{- $user := include "hooklane.credentials" . | fromJson -}}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- if and (include "hooklane.isTls" $root) $root.Values.kafka.tls.existingSecret }}
- name: kafka-ca
  secret:
    secretName: {{ $root.Values.kafka.tls.existingSecret }}
    items:
      - key: {{ $root.Values.kafka.tls.caKey }}
        path: ca.crt
{{- end }}
{{- if $user.clientSecret }}
- name: kafka-client
  secret:
    secretName: {{ $user.clientSecret }}
    defaultMode: 288
    items:
      - key: {{ $user.certKey }}
        path: tls.crt
      - key: {{ $user.keyKey }}
        path: tls.key
{{- end }}
{{- end -}}
