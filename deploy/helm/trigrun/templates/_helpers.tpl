{{/* The prefix of every name, short enough for the longest suffix, -migrate-0123456789. */}}
{{- define "trigrun.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "trigrun.serviceAccountName" -}}
{{- $made := ternary (include "trigrun.fullname" .) "default" .Values.serviceAccount.create -}}
{{- default $made .Values.serviceAccount.name -}}
{{- end }}

{{/* The labels that select pods. They never change, because a Deployment's selector is immutable. */}}
{{- define "trigrun.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "trigrun.labels" -}}
{{ include "trigrun.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "trigrun.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* A URL or key: a reference to the operator's secret or to the demo's. */}}
{{- define "trigrun.secretKeyRef" -}}
{{- $own := index .root.Values .what -}}
valueFrom:
  secretKeyRef:
    name: {{ ternary (printf "%s-demo" (include "trigrun.fullname" .root)) $own.existingSecret .root.Values.demo.enabled | quote }}
    key: {{ ternary .what $own.key .root.Values.demo.enabled | quote }}
{{- end }}

{{/* {section: {key: value}} as environment variables. Each deeper level (plans) adds a part to the name. */}}
{{- define "trigrun.settings" -}}
{{- range $key, $value := .settings }}
{{- $name := printf "%s__%s" $.prefix (upper $key) }}
{{- if kindIs "map" $value }}
{{- include "trigrun.settings" (dict "prefix" $name "settings" $value) }}
{{- else if not (kindIs "invalid" $value) }}
- name: {{ $name }}
  {{- /* toJson, because Helm reads a YAML number as a float and would print 10000000 as 1e+07. */}}
  value: {{ ternary $value (toJson $value) (kindIs "string" $value) | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* The environment of a process. It contains only settings of this process, which does not start with unknown ones. */}}
{{- define "trigrun.env" -}}
{{- $values := .root.Values -}}
{{- $sealing := has .component (list "api" "executor") -}}
- name: TRIGRUN__POSTGRES__URL
  {{- include "trigrun.secretKeyRef" (dict "root" .root "what" "postgres") | nindent 2 }}
- name: TRIGRUN__REDIS__URL
  {{- include "trigrun.secretKeyRef" (dict "root" .root "what" "redis") | nindent 2 }}
- name: TRIGRUN__TELEMETRY__PROBES_ADDRESS
  value: {{ printf "%s:9090" $values.listenOn | quote }}
{{- if eq .component "api" }}
- name: TRIGRUN__SERVER__ADDRESS
  value: {{ printf "%s:8080" $values.listenOn | quote }}
{{- if $values.operatorApi.enabled }}
- name: TRIGRUN__OPERATOR__ADDRESS
  value: {{ printf "%s:8081" $values.listenOn | quote }}
{{- end }}
{{- end }}
{{- if $sealing }}
- name: TRIGRUN__KEYS__MASTER
  {{- include "trigrun.secretKeyRef" (dict "root" .root "what" "keys") | nindent 2 }}
{{- with $values.egress.allow }}
- name: TRIGRUN__EGRESS__ALLOW
  value: {{ toJson . | quote }}
{{- end }}
{{- with $values.egress.allowPorts }}
- name: TRIGRUN__EGRESS__ALLOW_PORTS
  value: {{ toJson . | quote }}
{{- end }}
{{- with $values.egress.refuse }}
- name: TRIGRUN__EGRESS__REFUSE
  value: {{ toJson . | quote }}
{{- end }}
{{- end }}
{{- if include "trigrun.sendsMail" . }}
- name: TRIGRUN__SMTP__URL
  valueFrom:
    secretKeyRef: {name: {{ $values.smtp.existingSecret | quote }}, key: {{ $values.smtp.key | quote }}}
- name: TRIGRUN__SMTP__FROM
  value: {{ $values.smtp.from | quote }}
{{- end }}
{{- $block := index $values .component }}
{{- include "trigrun.settings" (dict "prefix" "TRIGRUN" "settings" $block.settings) }}
{{- with $block.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Not empty for components that send e-mail: executors, and the API once its links know the public URL. */}}
{{- define "trigrun.sendsMail" -}}
{{- if .root.Values.smtp.existingSecret }}
{{- if or (eq .component "executor") (and (eq .component "api") (dig "server" "public_url" "" .root.Values.api.settings)) -}}
true
{{- end }}
{{- end }}
{{- end }}

{{/* Restrictions of every pod, including the demo: no privileges, no token, no environment from services. `user` replaces the ids of the values,
but not null, which leaves them to the platform. */}}
{{- define "trigrun.podRestrictions" -}}
automountServiceAccountToken: false
{{- /* A service with the name of one of our prefixes would create variables with that prefix. */}}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  {{- range $key := list "runAsUser" "runAsGroup" "fsGroup" }}
  {{- with get $.root.Values.podSecurityContext $key }}
  {{ $key }}: {{ $.user | default . | int64 }}
  {{- end }}
  {{- end }}
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "trigrun.containerRestrictions" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "trigrun.placement" -}}
{{- range $key := list "affinity" "nodeSelector" "tolerations" "priorityClassName" }}
{{- with index $.block $key }}
{{ $key }}: {{ toJson . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "trigrun.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The drain time of an executor after SIGTERM. The default is that of crates/executor/config.default.toml. */}}
{{- define "trigrun.drainSeconds" -}}
{{- dig "executor" "drain_seconds" 330 .Values.executor.settings | int64 -}}
{{- end }}

{{/* The memory in MiB that an executor needs with its settings: see "Memory of an executor" in docs/scaling.md. The defaults are those of
crates/executor/config.default.toml. */}}
{{- define "trigrun.executorMemory" -}}
{{- $inFlight := dig "executor" "max_in_flight" 4096 .Values.executor.settings | int64 -}}
{{- $buffered := dig "executor" "max_buffered_bytes" 67108864 .Values.executor.settings | int64 -}}
{{- add 96 (div (add (mul $inFlight 96) 1023) 1024) (div (add (mul $buffered 3) 2097151) 2097152) -}}
{{- end }}

{{/* A quantity of memory in MiB, rounded down. */}}
{{- define "trigrun.mebibytes" -}}
{{- $number := regexFind "^[0-9]+" (toString .) | int64 -}}
{{- $unit := regexReplaceAll "^[0-9.]+" (toString .) "" -}}
{{- if eq $unit "Gi" }}{{ mul $number 1024 }}
{{- else if eq $unit "Mi" }}{{ $number }}
{{- else if eq $unit "Ki" }}{{ div $number 1024 }}
{{- else if eq $unit "G" }}{{ div (mul $number 1000000000) 1048576 }}
{{- else if eq $unit "M" }}{{ div (mul $number 1000000) 1048576 }}
{{- else if eq $unit "k" }}{{ div (mul $number 1000) 1048576 }}
{{- else }}{{ div $number 1048576 }}{{ end -}}
{{- end }}

{{/* The resources of a process. The memory of an executor follows from its settings. */}}
{{- define "trigrun.resources" -}}
{{- $resources := (index .root.Values .component).resources -}}
{{- if eq .component "executor" -}}
{{- $memory := dict "memory" (printf "%sMi" (include "trigrun.executorMemory" .root)) -}}
{{- $resources = mergeOverwrite (dict "requests" $memory "limits" (deepCopy $memory)) (deepCopy $resources) -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end }}

{{- define "trigrun.graceSeconds" -}}
{{- if eq .component "executor" -}}
{{- $least := add (include "trigrun.drainSeconds" .root) 20 -}}
{{- .root.Values.executor.terminationGracePeriodSeconds | default $least | int64 -}}
{{- else -}}
30
{{- end -}}
{{- end }}

{{/* The labels that distinguish this installation from others in the same Prometheus. */}}
{{- define "trigrun.installationLabels" -}}
{{- $own := dict "namespace" .Release.Namespace "app_kubernetes_io_instance" .Release.Name -}}
{{- toYaml (.Values.monitoring.prometheusRule.matchers | default $own) -}}
{{- end }}

{{/* rules/alerts.yaml for this installation: every selector has a matcher for it, and so has every alert, whose expression can lose its labels.
Otherwise alerts of two installations would be one to Alertmanager. */}}
{{- define "trigrun.rules" -}}
{{- $given := .Values.monitoring.prometheusRule -}}
{{- $labels := fromYaml (include "trigrun.installationLabels" .) -}}
{{- $matchers := list -}}
{{- range $name, $value := $labels -}}
  {{- $matchers = append $matchers (printf "%s=%s" $name (quote $value)) -}}
{{- end -}}
{{- $matcher := join "," $matchers | replace "$" "$$" -}}
{{- $groups := list -}}
{{- range $group := (fromYaml (.Files.Get "rules/alerts.yaml")).groups -}}
  {{- $rules := list -}}
  {{- range $rule := $group.rules -}}
    {{- if not (has $rule.alert $given.disabled) -}}
      {{- $expr := regexReplaceAll "(trigrun_[a-z_]+)\\{" (printf "%s " $rule.expr) (printf "${1}{%s," $matcher) -}}
      {{- $expr = regexReplaceAll "(trigrun_[a-z_]+)([^a-z_{])" $expr (printf "${1}{%s}${2}" $matcher) -}}
      {{- $runbook := dict "runbook_url" (printf $given.runbookUrl $rule.alert) -}}
      {{- $own := dict "expr" (trim $expr) "labels" (merge (deepCopy $given.ruleLabels) $rule.labels $labels) "annotations" (merge $runbook $rule.annotations) -}}
      {{- $rules = append $rules (merge $own $rule) -}}
    {{- end -}}
  {{- end -}}
  {{- if $rules -}}
    {{- $groups = append $groups (dict "name" $group.name "rules" $rules) -}}
  {{- end -}}
{{- end -}}
{{- toYaml (dict "groups" $groups) -}}
{{- end }}
