{{/* The beginning of every name. */}}
{{- define "reelq.name" -}}
{{- .Values.fullnameOverride | default .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "reelq.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "reelq.name" .) -}}
{{- else -}}
{{- required "serviceAccount.name is needed if serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* What never changes for a part: of . = {root, part}. */}}
{{- define "reelq.selector" -}}
app.kubernetes.io/name: reelq
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "reelq.labels" -}}
{{ include "reelq.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end -}}

{{/* The image of a part: of . = {root, media}. */}}
{{- define "reelq.image" -}}
{{- $image := .root.Values.image -}}
{{- $repository := ternary $image.mediaRepository $image.repository .media -}}
{{- $digest := ternary $image.mediaDigest $image.digest .media -}}
{{- if $digest -}}
{{ $repository }}@{{ $digest }}
{{- else -}}
{{ $repository }}:{{ $image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* Everything between a metric's braces: of . = {root, labels}. */}}
{{- define "reelq.series" -}}
{{- $selector := .root.Values.keda.selector -}}
{{- if and $selector .labels }}{{ .labels }},{{ $selector }}{{ else }}{{ .labels }}{{ $selector }}{{ end -}}
{{- end -}}
