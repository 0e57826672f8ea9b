{{- /* What every container of ours has. @param image, resources, root */}}
{{- define "stationgrid.container" -}}
image: {{ include "stationgrid.image" (dict "image" .image "root" .root) | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- toYaml .root.Values.securityContext | nindent 2 }}
resources:
  {{- toYaml .resources | nindent 2 }}
{{- end }}

{{- /* And every pod. @param root */}}
{{- define "stationgrid.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "stationgrid.databaseEnv" -}}
- name: STATIONGRID_DATABASE_URL
  valueFrom:
    secretKeyRef: { name: {{ .Values.database.existingSecret }}, key: {{ .Values.database.urlKey }} }
{{- end }}

{{- define "stationgrid.ownerEnv" -}}
{{- with .Values.database.owner }}
{{- if .existingSecret }}
- name: STATIONGRID_OWNER_DATABASE_URL
  valueFrom:
    secretKeyRef: { name: {{ .existingSecret }}, key: {{ .urlKey }} }
{{- end }}
{{- end }}
{{- end }}

{{- /* Flags by which tests and bots know the farm for the right one. */}}
{{- define "stationgrid.trustFlags" -}}
{{- if ne .Values.tls.mode "terminated-by-proxy" }}
{{- if .Values.clients.systemAuthorities }}
- --tls
{{- else }}
- --ca
- /etc/stationgrid-authority/{{ .Values.clients.authorityKey }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The authority alone: the key of the farm is in the same Secret, and is nobody else's. */}}
{{- define "stationgrid.trustVolume" -}}
{{- if and (ne .Values.tls.mode "terminated-by-proxy") (not .Values.clients.systemAuthorities) }}
- name: authority
  secret:
    secretName: {{ default (include "stationgrid.tlsSecret" .) .Values.clients.authoritySecret }}
    items:
      - { key: {{ .Values.clients.authorityKey }}, path: {{ .Values.clients.authorityKey }} }
{{- end }}
{{- end }}

{{- define "stationgrid.trustMount" -}}
{{- if and (ne .Values.tls.mode "terminated-by-proxy") (not .Values.clients.systemAuthorities) }}
- { name: authority, mountPath: /etc/stationgrid-authority, readOnly: true }
{{- end }}
{{- end }}
