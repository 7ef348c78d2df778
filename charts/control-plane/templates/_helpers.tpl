{{- define "platform.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name "platform" | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "platform.selector" -}}
app.kubernetes.io/name: dentalpin-control-plane
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "platform.labels" -}}
{{ include "platform.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: dentalpin
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "platform.image" -}}
{{- with .Values.image }}{{ if .digest }}{{ printf "%s@%s" .repository .digest }}{{ else }}{{ printf "%s:%s" .repository (.tag | default $.Chart.AppVersion) }}{{ end }}{{ end }}
{{- end }}

{{- define "platform.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "platform.name" .) }}{{ else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{- define "platform.host" -}}
{{- get (urlParse .Values.publicUrl) "host" | splitList ":" | first }}
{{- end }}

{{/* What every process of the platform is told. */}}
{{- define "platform.env" -}}
- { name: PUBLIC_URL, value: {{ .Values.publicUrl | quote }} }
- { name: DENTALPIN_DATA, value: /var/lib/dentalpin }
- { name: DENTALPIN_DEPLOYER, value: kubernetes }
- { name: DENTALPIN_RUNTIME_IMAGE, value: {{ .Values.runtimeImage | default (printf "dentalpin/runtime:%s" .Chart.AppVersion) | quote }} }
- { name: DENTALPIN_LOG_LEVEL, value: {{ .Values.logLevel | quote }} }
- { name: DENTALPIN_MAIL_FROM, value: {{ .Values.mail.from | quote }} }
- { name: DENTALPIN_OPERATORS_LOCALE, value: {{ .Values.mail.operatorsLocale | quote }} }
- { name: DENTALPIN_OBJECT_STORE, value: {{ .Values.objectStore.url | quote }} }
- { name: DENTALPIN_TENANT_DATABASE_CAPACITY, value: {{ .Values.tenantDatabases.capacity | quote }} }
- { name: DENTALPIN_RELEASE_MINIMUM_AGE_HOURS, value: {{ .Values.releases.minimumAgeHours | quote }} }
- { name: DENTALPIN_BACKUP_EVERY_HOURS, value: {{ .Values.backups.everyHours | quote }} }
- { name: DENTALPIN_BACKUPS_AT_ONCE, value: {{ .Values.backups.atOnce | quote }} }
- { name: DENTALPIN_BACKUP_CHECKS, value: {{ .Values.backups.checks | quote }} }
- { name: DENTALPIN_REQUESTS_PER_MINUTE, value: {{ .Values.requestsPerMinute | quote }} }
- { name: DENTALPIN_TRUSTED_PROXIES, value: {{ join "," .Values.trustedProxies | quote }} }
- { name: DENTALPIN_WORKER_SLOTS, value: {{ .Values.worker.slots | quote }} }
{{- range $name, $value := dict
  "DENTALPIN_OPERATORS_MAIL" .Values.mail.operators
  "DENTALPIN_OBJECT_STORE_ENDPOINT" .Values.objectStore.endpoint
  "DENTALPIN_OBJECT_STORE_REGION" .Values.objectStore.region
  "DENTALPIN_TENANT_DATABASE_HOST" .Values.tenantDatabases.host
  "DENTALPIN_TENANT_DATABASE_REGION" .Values.tenantDatabases.region
}}
{{- if $value }}
- { name: {{ $name }}, value: {{ $value | quote }} }
{{- end }}
{{- end }}
{{- if .Values.tenantDatabases.proofs }}
- { name: DENTALPIN_TENANT_DATABASE_PROOFS, value: {{ .Values.tenantDatabases.proofs | toJson | quote }} }
{{- end }}
{{- range $name, $value := .Values.extraEnv }}
- { name: {{ $name }}, value: {{ $value | quote }} }
{{- end }}
{{- range list "DATABASE_URL" "DENTALPIN_SIGNING_KEY" "DENTALPIN_VAULT_KEYS" "DENTALPIN_OPERATOR_KEY" }}
- { name: {{ . }}, valueFrom: { secretKeyRef: { name: {{ $.Values.secretName | quote }}, key: {{ . }} } } }
{{- end }}
{{- range list "TENANT_DATABASE_ADMIN_URL" "DENTALPIN_SMTP_URL" "DENTALPIN_RUNTIME_REGISTRY" "DENTALPIN_OBJECT_STORE_KEY_ID" "DENTALPIN_OBJECT_STORE_SECRET" "STRIPE_SECRET_KEY" "DENTALPIN_STRIPE_WEBHOOK_SECRET" }}
- { name: {{ . }}, valueFrom: { secretKeyRef: { name: {{ $.Values.secretName | quote }}, key: {{ . }}, optional: true } } }
{{- end }}
{{- end }}

{{/* A worker whose event loop stands still for a minute is started again. */}}
{{- define "platform.workerAlive" -}}
[sh, -c, 'test -n "$(find /var/lib/dentalpin/worker.alive -newermt "-60 seconds")"']
{{- end }}

{{/* What no schema can compare. */}}
{{- define "platform.check" -}}
{{- with .Values.api.autoscaling }}
{{- if and .enabled (lt (int .maxReplicas) (int .minReplicas)) }}{{ fail "api.autoscaling.maxReplicas is below minReplicas." }}{{ end }}
{{- end }}
{{- if and .Values.api.autoscaling.enabled (not (dig "requests" "cpu" "" .Values.api.resources)) }}
{{- fail "api.autoscaling reckons in shares of api.resources.requests.cpu: set it, or turn autoscaling off." }}
{{- end }}
{{- if and .Values.ingress.enabled .Values.ingress.tls (hasPrefix "http://" .Values.publicUrl) }}
{{- fail "publicUrl is http:// while the ingress speaks TLS: links in mails would lead past it." }}
{{- end }}
{{- end }}

{{- define "platform.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "platform.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "platform.scheduling" -}}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "platform.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "platform.selector" .top | nindent 8 }}
        app.kubernetes.io/component: {{ .component }}
{{- end }}
