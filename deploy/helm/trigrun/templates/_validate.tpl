{{/* Rules that the schema cannot express. All problems are reported together, as in the processes. */}}
{{- define "trigrun.validate" -}}
{{- $values := .Values -}}
{{- $kubectl := printf "kubectl --namespace %s create secret generic" .Release.Namespace -}}
{{- $problems := list -}}

{{- if $values.demo.enabled -}}
  {{- range $what := list "postgres" "redis" "keys" -}}
    {{- if (index $values $what).existingSecret -}}
      {{- $problems = append $problems (printf "demo.enabled installs its own %s: leave %s.existingSecret empty, or disable the demo" $what $what) -}}
    {{- end -}}
  {{- end -}}
  {{- if eq $values.migrate.mode "hook" -}}
    {{- $problems = append $problems "demo.enabled does not work with migrate.mode hook, because the hook runs before the demo's Postgres exists: use job" -}}
  {{- end -}}
{{- else -}}
  {{- if not $values.postgres.existingSecret -}}
    {{- $problems = append $problems (printf "postgres.existingSecret is empty. Create a secret with the URL of your Postgres, and set its name:\n      %s trigrun-postgres --from-literal=%s='postgres://user:password@host/trigrun?sslmode=verify-full'" $kubectl $values.postgres.key) -}}
  {{- end -}}
  {{- if not $values.redis.existingSecret -}}
    {{- $problems = append $problems (printf "redis.existingSecret is empty. Create a secret with the URL of your Redis, and set its name:\n      %s trigrun-redis --from-literal=%s='rediss://:password@host:6379'" $kubectl $values.redis.key) -}}
  {{- end -}}
  {{- if not $values.keys.existingSecret -}}
    {{- $problems = append $problems (printf "keys.existingSecret is empty. `trigrun-api keys generate` prints a master key, id:base64. Create a secret with the list [\"id:base64\"], and set its name:\n      %s trigrun-keys --from-literal=%s='[\"'\"$(docker run --rm %s trigrun-api keys generate)\"'\"]'\n    Keep a copy elsewhere: encrypted data cannot be decrypted without it." $kubectl $values.keys.key (include "trigrun.image" .)) -}}
  {{- end -}}
{{- end -}}

{{- if and $values.smtp.existingSecret (not $values.smtp.from) -}}
  {{- $problems = append $problems "smtp.existingSecret is set but smtp.from is not: set the sender, e.g. `TrigRun <noreply@example.com>`" -}}
{{- else if and $values.smtp.from (not $values.smtp.existingSecret) -}}
  {{- $problems = append $problems (printf "smtp.from is set but smtp.existingSecret is not. Create a secret with the URL of your mail server, and set its name:\n      %s trigrun-smtp --from-literal=%s='smtps://user:password@mail.example.com'" $kubectl $values.smtp.key) -}}
{{- end -}}

{{- $drain := include "trigrun.drainSeconds" . | int64 -}}
{{- if and (lt $drain 300) (not $values.executor.allowShortDrain) -}}
  {{- $problems = append $problems (printf "executor.settings.executor.drain_seconds is %d: a value less than 300, the longest timeout of a job, interrupts requests in flight. If you accept this, as on spot nodes, set executor.allowShortDrain" $drain) -}}
{{- end -}}
{{- $grace := include "trigrun.graceSeconds" (dict "root" . "component" "executor") | int64 -}}
{{- if lt $grace (add $drain 20) -}}
  {{- $problems = append $problems (printf "executor.terminationGracePeriodSeconds is %d: it must be at least %d, drain_seconds + 20, or Kubernetes kills the executor while it drains. If it is empty, the chart computes it" $grace (add $drain 20)) -}}
{{- end -}}

{{- with dig "limits" "memory" nil $values.executor.resources -}}
  {{- $needed := include "trigrun.executorMemory" $ | int64 -}}
  {{- if lt (include "trigrun.mebibytes" . | int64) $needed -}}
    {{- $problems = append $problems (printf "executor.resources.limits.memory is %s: with these settings an executor needs %dMi. Leave it empty, or lower settings.executor.max_in_flight or max_buffered_bytes" . $needed) -}}
  {{- end -}}
{{- end -}}

{{- range $process := list "api" "scheduler" "executor" "migrate" -}}
  {{- $names := list -}}
  {{- if eq $process "migrate" -}}
    {{- $names = list "TRIGRUN__POSTGRES__URL" -}}
    {{- range $values.migrate.extraEnv }}{{ $names = append $names .name }}{{ end -}}
  {{- else -}}
    {{- range fromYamlArray (include "trigrun.env" (dict "root" $ "component" $process)) }}{{ $names = append $names .name }}{{ end -}}
  {{- end -}}
  {{- $seen := dict -}}
  {{- range $name := $names -}}
    {{- if hasKey $seen $name -}}
      {{- $problems = append $problems (printf "%s.extraEnv: %s is given twice; the chart sets the variables of its values and of %s.settings itself" $process $name $process) -}}
    {{- end -}}
    {{- $_ := set $seen $name true -}}
  {{- end -}}
{{- end -}}

{{- range $process := list "api" "executor" -}}
  {{- $scaling := (index $values $process).autoscaling -}}
  {{- if lt (int64 $scaling.maxReplicas) (int64 $scaling.minReplicas) -}}
    {{- $problems = append $problems (printf "%s.autoscaling.maxReplicas is less than minReplicas" $process) -}}
  {{- end -}}
{{- end -}}
{{- if and (eq (int64 $values.executor.autoscaling.minReplicas) 0) (not $values.executor.autoscaling.allowZero) -}}
  {{- $problems = append $problems "executor.autoscaling.minReplicas is 0: without an executor, due executions are late by the start of a pod. If you accept this, set executor.autoscaling.allowZero" -}}
{{- end -}}

{{- if and $values.ingress.enabled (not $values.ingress.hosts) -}}
  {{- $problems = append $problems "ingress.enabled needs ingress.hosts, e.g. [trigrun.example.com]" -}}
{{- end -}}
{{- if and $values.httpRoute.enabled (not $values.httpRoute.parentRefs) -}}
  {{- $problems = append $problems "httpRoute.enabled needs httpRoute.parentRefs, the gateways of the route, e.g. [{name: public, namespace: gateways}]" -}}
{{- end -}}

{{- if and $values.monitoring.prometheusRule.enabled (not (.Files.Get "rules/alerts.yaml")) -}}
  {{- $problems = append $problems "monitoring.prometheusRule.enabled: this chart package does not contain rules/alerts.yaml" -}}
{{- end -}}
{{- if $values.monitoring.prometheusRule.disabled -}}
  {{- $alerts := list -}}
  {{- range (fromYaml (.Files.Get "rules/alerts.yaml")).groups -}}
    {{- range .rules -}}{{- $alerts = append $alerts .alert -}}{{- end -}}
  {{- end -}}
  {{- range $name := $values.monitoring.prometheusRule.disabled -}}
    {{- if not (has $name $alerts) -}}
      {{- $problems = append $problems (printf "monitoring.prometheusRule.disabled: there is no alert %s" $name) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- if and $values.monitoring.dashboards.enabled (not (.Files.Glob "dashboards/*.json")) -}}
  {{- $problems = append $problems "monitoring.dashboards.enabled: this chart package does not contain dashboards/*.json" -}}
{{- end -}}

{{- if $problems -}}
{{- fail (printf "\n\nthe values cannot be used:\n  - %s\n" (join "\n  - " $problems)) -}}
{{- end -}}
{{- end }}
