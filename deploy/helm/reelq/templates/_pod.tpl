{{/*
The pod of a part: of . = {root, part, command, media, resources, tmpSize, grace} and, where there is one, probe (of a
container), port, envFrom, config (the ConfigMap's name), serviceAccount, restart.
*/}}
{{- define "reelq.pod" -}}
{{- $values := .root.Values -}}
metadata:
  labels:
    {{- include "reelq.labels" . | nindent 4 }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # New pods for a new configuration: it is read once, at the start.
    reelq/config: {{ $values.config | sha256sum | trunc 16 | quote }}
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ .serviceAccount | default (include "reelq.serviceAccount" .root) }}
  automountServiceAccountToken: false
  # Kubernetes would add variables such as REELQ_API_PORT, which look like settings.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .grace }}
  {{- with .restart }}
  restartPolicy: {{ . }}
  {{- end }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    seccompProfile:
      type: RuntimeDefault
  {{- if $values.topologySpread }}
  topologySpreadConstraints:
    {{- range tuple "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "reelq.selector" $ | nindent 10 }}
    {{- end }}
  {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .part }}
      image: {{ include "reelq.image" . }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      command:
        {{- range .command }}
        - {{ . | quote }}
        {{- end }}
      env:
        - name: REELQ_CONFIG
          value: /etc/reelq/reelq.toml
        {{- if .alive }}
        - name: REELQ_ALIVE_FILE
          value: /tmp/alive
        {{- end }}
        {{- with $values.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      envFrom:
        {{- range concat $values.secrets (.secrets | default list) }}
        - secretRef:
            name: {{ . }}
        {{- end }}
      {{- with .port }}
      ports:
        - name: http
          containerPort: {{ . }}
      {{- end }}
      {{- if .alive }}
      # The part touches this file every few seconds while it works; a server that is down does not stop that.
      startupProbe:
        exec:
          command: [sh, -c, "find /tmp/alive -mmin -0.5 | grep -q ."]
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 36
      readinessProbe:
        exec:
          command: [sh, -c, "find /tmp/alive -mmin -0.5 | grep -q ."]
        periodSeconds: 10
        timeoutSeconds: 5
      livenessProbe:
        exec:
          command: [sh, -c, "find /tmp/alive -mmin -0.5 | grep -q ."]
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      {{- end }}
      {{- with .path }}
      startupProbe:
        httpGet: {path: {{ . }}, port: http}
        periodSeconds: 2
        failureThreshold: 60
      readinessProbe:
        httpGet: {path: {{ $.ready | default . | quote }}, port: http}
        periodSeconds: 5
        timeoutSeconds: 5
      livenessProbe:
        httpGet: {path: {{ . }}, port: http}
        periodSeconds: 10
        timeoutSeconds: 10
        failureThreshold: 6
      # Requests still arrive until every node knows that this pod ends.
      lifecycle:
        preStop:
          exec:
            command: [sleep, "5"]
      {{- end }}
      resources:
        {{- toYaml .resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      volumeMounts:
        - name: config
          mountPath: /etc/reelq
          readOnly: true
        - name: tmp
          mountPath: /tmp
  volumes:
    - name: config
      configMap:
        name: {{ .config | default (include "reelq.name" .root) }}
    - name: tmp
      emptyDir:
        sizeLimit: {{ .tmpSize }}
{{- end -}}
