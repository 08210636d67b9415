{{/* Names and labels. Suffixes are up to 17 characters, so the first part keeps 46. */}}
{{- define "hooklane.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 46 | trimSuffix "-" -}}
{{- end -}}

{{- define "hooklane.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 46 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "hooklane.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 46 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 46 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes a list: root, component. */}}
{{- define "hooklane.componentName" -}}
{{- printf "%s-%s" (include "hooklane.fullname" (first .)) (last .) -}}
{{- end -}}

{{- define "hooklane.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "hooklane.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Selectors cannot be changed once installed: nothing that a value or a version decides is in them. */}}
{{- define "hooklane.selector" -}}
app.kubernetes.io/name: {{ include "hooklane.name" (first .) }}
app.kubernetes.io/instance: {{ (first .).Release.Name }}
app.kubernetes.io/component: {{ last . }}
{{- end -}}

{{/* Takes a list: root, component, maps of more labels. */}}
{{- define "hooklane.labels" -}}
{{- $root := index . 0 -}}
{{- $own := dict
  "helm.sh/chart" (printf "%s-%s" $root.Chart.Name ($root.Chart.Version | replace "+" "_"))
  "app.kubernetes.io/name" (include "hooklane.name" $root)
  "app.kubernetes.io/instance" $root.Release.Name
  "app.kubernetes.io/component" (index . 1)
  "app.kubernetes.io/part-of" "hooklane"
  "app.kubernetes.io/version" $root.Chart.AppVersion
  "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $labels := merge $own (deepCopy $root.Values.commonLabels) -}}
{{- range (slice . 2) }}{{- $labels = merge $labels (deepCopy .) }}{{- end -}}
{{- toYaml $labels -}}
{{- end -}}

{{/* Takes a list: root, maps of more annotations, the first one winning. Empty when there are none. */}}
{{- define "hooklane.annotations" -}}
{{- $root := first . -}}
{{- $all := dict -}}
{{- range (rest .) }}{{- $all = merge $all (deepCopy .) }}{{- end -}}
{{- $all = merge $all (deepCopy $root.Values.commonAnnotations) -}}
{{- if $all -}}
annotations:
  {{- toYaml $all | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "hooklane.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "hooklane.components" -}}
{{- $enabled := list -}}
{{- range $name := list "gateway" "fanout" "deliverer" -}}
{{- if (index $.Values $name).enabled }}{{- $enabled = append $enabled $name }}{{- end -}}
{{- end -}}
{{- toJson $enabled -}}
{{- end -}}

{{- define "hooklane.adminPort" -}}
{{- index (dict "gateway" 9101 "fanout" 9102 "deliverer" 9103) . -}}
{{- end -}}
