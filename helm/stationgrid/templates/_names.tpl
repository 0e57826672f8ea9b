{{- define "stationgrid.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- /* Cut so that `-migration` and the number of a pod still fit the 63 letters of a name. */}}
{{- define "stationgrid.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "stationgrid.name" .) .Release.Name -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name (include "stationgrid.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* What a Service looks for. Never changes in the life of a release. */}}
{{- define "stationgrid.selector" -}}
app.kubernetes.io/name: {{ include "stationgrid.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "stationgrid.labels" -}}
{{ include "stationgrid.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "stationgrid.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "stationgrid.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ required "serviceAccount.name: name the account that exists, since serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- /* @param image, root */}}
{{- define "stationgrid.image" -}}
{{- $own := .root.Values.image -}}
{{- $repository := default $own.repository .image.repository -}}
{{- $digest := default (ternary $own.digest "" (empty .image.tag)) .image.digest -}}
{{- if $digest -}}
{{ printf "%s@%s" $repository $digest }}
{{- else -}}
{{ printf "%s:%s" $repository (default (default .root.Chart.AppVersion $own.tag) .image.tag) }}
{{- end }}
{{- end }}

{{- /* Empty where the doors are plain. */}}
{{- define "stationgrid.tlsSecret" -}}
{{- if ne .Values.tls.mode "terminated-by-proxy" -}}
{{ default (printf "%s-tls" (include "stationgrid.fullname" .)) .Values.tls.secretName }}
{{- end }}
{{- end }}

{{- define "stationgrid.scheme" -}}
{{ ternary "HTTP" "HTTPS" (eq .Values.tls.mode "terminated-by-proxy") }}
{{- end }}

{{- /* The gRPC door as pods of the namespace call it. */}}
{{- define "stationgrid.server" -}}
{{ printf "%s.%s.svc:%v" (include "stationgrid.fullname" .) .Release.Namespace .Values.service.grpcPort }}
{{- end }}

{{- /* Where DUTs reach the factory door in the pod; empty where there is none. */}}
{{- define "stationgrid.factoryPort" -}}
{{- with (.Values.config.doors | default dict).factory -}}
{{ splitList ":" (toString .) | last }}
{{- end }}
{{- end }}
