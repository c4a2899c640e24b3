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
  {{- /* Where an autoscaler decides, an upgrade must not set the number back. */}}
  {{- if not (dig "autoscaling" "enabled" false $block) }}
  replicas: {{ $block.replicas }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "trigrun.selector" . | nindent 6 }}
  {{- /* A new pod is ready before an old one goes: an executor may take minutes to drain. */}}
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
      {{- include "trigrun.podRestrictions" (dict "user" 65532) | nindent 6 }}
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
          {{- /* Pods of the last rollout, which are about to go, do not count. */}}
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
            {{- end }}
            - {name: probes, containerPort: 9090}
          {{- /* It lives also while it waits for Postgres or its schema, for as long as that takes. */}}
          startupProbe:
            httpGet: {path: /livez, port: probes}
            periodSeconds: 1
            timeoutSeconds: 3
            failureThreshold: 60
          {{- /* Asks Postgres, within two seconds. */}}
          readinessProbe:
            httpGet: {path: /readyz, port: probes}
            periodSeconds: 5
            timeoutSeconds: 3
            failureThreshold: 3
          {{- /* Asks nobody: a restart would not bring Postgres back. */}}
          livenessProbe:
            httpGet: {path: /livez, port: probes}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          {{- if and (eq .component "api") (semverCompare ">=1.30.0-0" .root.Capabilities.KubeVersion.Version) }}
          {{- /* It stops listening at SIGTERM; proxies hear some moments later that the pod goes. */}}
          lifecycle:
            preStop:
              sleep: {seconds: 5}
          {{- end }}
          resources:
            {{- toYaml $block.resources | nindent 12 }}
          {{- with $block.extraVolumeMounts }}
          volumeMounts:
            {{- toYaml . | nindent 12 }}
          {{- end }}
      {{- with $block.extraVolumes }}
      volumes:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end }}
