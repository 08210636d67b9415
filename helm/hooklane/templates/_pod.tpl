{{/* The pod of a component. Takes a list: root, component. */}}
{{- define "hooklane.pod" -}}
{{- $root := first . -}}
{{- $name := last . -}}
{{- $c := index $root.Values $name -}}
{{- $isHttp := eq $name "gateway" -}}
{{- include "hooklane.podHead" $root }}
securityContext:
  {{- toYaml (mergeOverwrite (deepCopy $root.Values.podSecurityContext) $c.podSecurityContext) | nindent 2 }}
terminationGracePeriodSeconds: {{ $c.terminationGracePeriodSeconds }}
{{- with $c.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $c.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with $c.initContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: {{ $name }}
    image: {{ include "hooklane.image" $root | quote }}
    {{- with $root.Values.image.pullPolicy }}
    imagePullPolicy: {{ . }}
    {{- end }}
    args: [{{ $name }}]
    securityContext:
      {{- toYaml (mergeOverwrite (deepCopy $root.Values.securityContext) $c.securityContext) | nindent 6 }}
    {{- include "hooklane.env" (list $root $name $c.extraEnv $c.extraEnvFrom) | trim | nindent 4 }}
    ports:
      {{- if $isHttp }}
      - name: http
        containerPort: 8080
        protocol: TCP
      {{- end }}
      - name: admin
        containerPort: {{ include "hooklane.adminPort" $name }}
        protocol: TCP
    {{- range $kind := list "startupProbe" "livenessProbe" "readinessProbe" }}
    {{- with index $c $kind }}
    {{ $kind }}:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- end }}
    {{- if $c.lifecycle }}
    lifecycle:
      {{- toYaml $c.lifecycle | nindent 6 }}
    {{- else if $c.preStopSleepSeconds }}
    lifecycle:
      preStop:
        exec:
          command: [sleep, {{ include "hooklane.text" $c.preStopSleepSeconds | quote }}]
    {{- end }}
    resources:
      {{- toYaml $c.resources | nindent 6 }}
    volumeMounts:
      {{- include "hooklane.mounts" . | nindent 6 }}
      {{- with $c.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
  {{- with $c.extraContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
volumes:
  {{- include "hooklane.volumes" . | nindent 2 }}
  {{- with $c.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $c.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $c.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $c.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $c.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- $selector := dict "labelSelector" (dict "matchLabels" (include "hooklane.selector" (list $root $name) | fromYaml)) }}
  {{- range . }}
  - {{ toYaml (merge (deepCopy .) $selector) | nindent 4 | trim }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "hooklane.podHead" -}}
serviceAccountName: {{ include "hooklane.serviceAccountName" . }}
automountServiceAccountToken: {{ .Values.serviceAccount.automountServiceAccountToken }}
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
