{{- define "labels" -}}
app.kubernetes.io/name: dentalpin
app.kubernetes.io/managed-by: {{ .top.Release.Service }}
dentalpin.io/tenant: {{ .top.Values.id | default .top.Release.Name | quote }}
{{- with .role }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "metadata" -}}
name: {{ .name }}
namespace: {{ .top.Release.Namespace }}
labels: {{- include "labels" . | nindent 2 }}
{{- end }}

{{/* As control_plane/deployers/kubernetes/sizes.py has them. */}}
{{- define "size" -}}
{{- get (dict
  "small" (dict "replicas" 1 "cpuRequest" 50 "cpuLimit" 1000 "memoryRequest" 192 "memoryLimit" 512)
  "medium" (dict "replicas" 2 "cpuRequest" 100 "cpuLimit" 1000 "memoryRequest" 256 "memoryLimit" 768)
  "large" (dict "replicas" 3 "cpuRequest" 250 "cpuLimit" 2000 "memoryRequest" 384 "memoryLimit" 1536)
) .Values.size | toJson }}
{{- end }}

{{- define "resources" -}}
{{- $size := include "size" . | fromJson -}}
requests: { cpu: "{{ $size.cpuRequest }}m", memory: "{{ $size.memoryRequest }}Mi" }
limits: { cpu: "{{ $size.cpuLimit }}m", memory: "{{ $size.memoryLimit }}Mi" }
{{- end }}

{{- define "podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "environment" -}}
- { name: HOME, value: /tmp }
- { name: DENTALPIN_STORAGE, value: /app/storage }
{{- if .top.Values.revision }}
- { name: DENTALPIN_REVISION_FILE, value: /run/dentalpin/revision/revision.json }
{{- end }}
- { name: DATABASE_URL_FILE, value: /run/dentalpin/secrets/app.url }
{{- if .owner }}
- { name: OWNER_DATABASE_URL_FILE, value: /run/dentalpin/owner/owner.url }
- { name: DENTALPIN_REPORT_FILE, value: /dev/termination-log }
{{- end }}
- { name: DENTALPIN_SECRET_KEY_FILE, value: /run/dentalpin/secrets/secret.key }
- { name: DENTALPIN_DATA_KEY_FILE, value: /run/dentalpin/secrets/data.key }
{{- end }}

{{- define "mounts" -}}
{{- if .top.Values.revision -}}
- { name: revision, mountPath: /run/dentalpin/revision, readOnly: true }
{{ end -}}
- { name: secrets, mountPath: /run/dentalpin/secrets, readOnly: true }
{{- if .owner }}
- { name: owner, mountPath: /run/dentalpin/owner, readOnly: true }
{{- end }}
- { name: storage, mountPath: /app/storage }
- { name: tmp, mountPath: /tmp }
{{- end }}

{{- define "volumes" -}}
{{- if .Values.revision -}}
- name: revision
  configMap: { name: revision-{{ .Values.revision.generation | int }}, defaultMode: 0444 }
{{ end -}}
- name: secrets
  secret:
    secretName: {{ .Values.secretName }}
    defaultMode: 0440
    items:
      - { key: app.url, path: app.url }
      - { key: secret.key, path: secret.key }
      - { key: data.key, path: data.key }
      {{- if .Values.mail.port }}
      - { key: smtp.url, path: smtp.url }
      {{- end }}
- name: owner
  secret:
    secretName: {{ .Values.secretName }}
    defaultMode: 0440
    items:
      - { key: owner.url, path: owner.url }
- name: storage
  persistentVolumeClaim: { claimName: storage }
- name: tmp
  emptyDir: { sizeLimit: 1Gi }
{{- end }}

{{/* What every pod of the clinic has in common, before its containers. */}}
{{- define "pod" -}}
serviceAccountName: clinic
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .top.Values.pullSecret }}
imagePullSecrets: [{ name: {{ . }} }]
{{- end }}
securityContext: {{- include "podSecurity" .top | nindent 2 }}
{{- if eq .top.Values.accessMode "ReadWriteOnce" }}
affinity:
  podAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels: { dentalpin.io/tenant: {{ .top.Values.id | default .top.Release.Name | quote }} }
{{- else if and (eq .role "serve") (gt (int (include "size" .top | fromJson).replicas) 1) }}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "labels" (dict "top" $.top "role" "serve") | nindent 8 }}
  {{- end }}
{{- end }}
{{- end }}
