{{/* The Deployment of one of the three processes. */}}
{{- define "trigrun.deployment" -}}
{{- $values := .root.Values -}}
{{- $block := index $values .component -}}
{{- $name := printf "%s-%s" (include "trigrun.fullname" .root) .component -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  labels:
    {{- include "trigrun.labels" . | nindent 4 }}
spec:
  {{- /* An upgrade must not reset the number of replicas that an autoscaler has set. */}}
  {{- if and (not (dig "autoscaling" "enabled" false $block)) (not (kindIs "invalid" $block.replicas)) }}
  replicas: {{ $block.replicas }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "trigrun.selector" . | nindent 6 }}
  {{- /* A new pod is ready before an old one stops, because an executor can take minutes to drain. */}}
  strategy:
    rollingUpdate: {maxSurge: 25%, maxUnavailable: 0}
  template:
    metadata:
      labels:
        {{- include "trigrun.selector" . | nindent 8 }}
        {{- with $block.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $block.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "trigrun.podRestrictions" (dict "root" .root) | nindent 6 }}
      serviceAccountName: {{ include "trigrun.serviceAccountName" .root }}
      terminationGracePeriodSeconds: {{ include "trigrun.graceSeconds" . }}
      {{- with include "trigrun.pullSecrets" .root }}
      {{- . | trim | nindent 6 }}
      {{- end }}
      {{- with include "trigrun.placement" (dict "block" $block) }}
      {{- . | trim | nindent 6 }}
      {{- end }}
      {{- if $block.topologySpread.enabled }}
      topologySpreadConstraints:
        {{- range $block.topologySpread.topologyKeys }}
        - topologyKey: {{ . }}
          maxSkew: {{ $block.topologySpread.maxSkew }}
          whenUnsatisfiable: {{ $block.topologySpread.whenUnsatisfiable }}
          {{- /* Excludes pods of the previous rollout, which are terminating. */}}
          matchLabelKeys: [pod-template-hash]
          labelSelector:
            matchLabels:
              {{- include "trigrun.selector" $ | nindent 14 }}
        {{- end }}
      {{- end }}
      containers:
        - name: {{ .component }}
          image: {{ include "trigrun.image" .root | quote }}
          imagePullPolicy: {{ $values.image.pullPolicy }}
          command: [trigrun-{{ .component }}]
          {{- include "trigrun.containerRestrictions" . | nindent 10 }}
          env:
            {{- include "trigrun.env" . | nindent 12 }}
          {{- with $block.extraEnvFrom }}
          envFrom:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          ports:
            {{- if eq .component "api" }}
            - {name: http, containerPort: 8080}
            {{- if $values.operatorApi.enabled }}
            - {name: operators, containerPort: 8081}
            {{- end }}
            {{- end }}
            - {name: probes, containerPort: 9090}
          {{- /* The process is live while it waits for Postgres or the schema, for any length of time. */}}
          startupProbe:
            httpGet: {path: /livez, port: probes}
            periodSeconds: 1
            timeoutSeconds: 3
            failureThreshold: 60
          {{- /* Checks Postgres, within two seconds. */}}
          readinessProbe:
            httpGet: {path: /readyz, port: probes}
            periodSeconds: 5
            timeoutSeconds: 3
            failureThreshold: 3
          {{- /* Does not check Postgres, because a restart would not bring it back. */}}
          livenessProbe:
            httpGet: {path: /livez, port: probes}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          {{- if and (eq .component "api") (semverCompare ">=1.30.0-0" .root.Capabilities.KubeVersion.Version) }}
          {{- /* The API stops listening at SIGTERM. Proxies learn some moments later that the pod is terminating. */}}
          lifecycle:
            preStop:
              sleep: {seconds: 5}
          {{- end }}
          resources:
            {{- include "trigrun.resources" . | nindent 12 }}
          {{- with $block.extraVolumeMounts }}
          volumeMounts:
            {{- toYaml . | nindent 12 }}
          {{- end }}
      {{- with $block.extraVolumes }}
      volumes:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end }}
