{{- /* What the schema of the values cannot say: each message names the key and what to write there. */}}
{{- define "stationgrid.check" -}}
{{- $values := .Values }}
{{- $mode := $values.tls.mode }}
{{- $auth := $values.config.auth | default dict }}
{{- if not $values.database.existingSecret }}
{{- fail "database.existingSecret: name the Secret that holds the URL of your PostgreSQL. Make it with: kubectl create secret generic farm-database --from-literal=url=postgresql://user:password@host:5432/stationgrid" }}
{{- end }}
{{- if and (eq $mode "secret") (not $values.tls.secretName) }}
{{- fail "tls.secretName: name the Secret (kubernetes.io/tls) with the certificate of the farm; or set tls.mode to cert-manager or terminated-by-proxy" }}
{{- end }}
{{- if and (eq $mode "cert-manager") (not $values.tls.certManager.issuerRef.name) }}
{{- fail "tls.certManager.issuerRef.name: name the Issuer that signs the certificate of the farm" }}
{{- end }}
{{- if not (or $auth.farm $auth.botTokens $auth.jwt) }}
{{- fail "config.auth: nobody is asked for credentials, so the farm would not open its doors; set config.auth.botTokens, config.auth.jwt or config.auth.farm (docs/how-to/secure.md)" }}
{{- end }}
{{- if and $auth.farm (eq $mode "terminated-by-proxy") }}
{{- fail "config.auth.farm: behind a proxy the farm sees no certificates of bots; use config.auth.botTokens, or another tls.mode" }}
{{- end }}
{{- if and $auth.farm (not $values.tls.clientAuthorities) }}
{{- fail "tls.clientAuthorities: set it to true, since config.auth.farm knows bots by their certificates" }}
{{- end }}
{{- range $door := list "grpc" "http" "ops" "iKnowThatAnyoneOnThisNetworkCanFalsifyResults" }}
{{- if hasKey ($values.config.doors | default dict) $door }}
{{- fail (printf "config.doors.%s: the chart opens the doors; leave it out (service.grpcPort and service.httpPort say where others reach them)" $door) }}
{{- end }}
{{- end }}
{{- if and ($values.config.doors | default dict).factory (or (not $values.dataVolume) (hasKey $values.dataVolume "emptyDir")) }}
{{- fail "dataVolume: what DUTs upload would be gone with its pod; give a claim that outlives it, such as { persistentVolumeClaim: { claimName: farm-uploads } }" }}
{{- end }}
{{- if and $values.ingress.enabled (not (or $values.ingress.grpc.host $values.ingress.http.host)) }}
{{- fail "ingress.grpc.host: give it or ingress.http.host, or set ingress.enabled to false" }}
{{- end }}
{{- with $values.gateway }}
{{- if and .enabled (not .parentRefs) }}
{{- fail "gateway.parentRefs: name your Gateway, as in [{ name: edge, namespace: infra }]" }}
{{- end }}
{{- if and .enabled (not (or .grpc.hostnames .http.hostnames)) }}
{{- fail "gateway.grpc.hostnames: give them or gateway.http.hostnames, or set gateway.enabled to false" }}
{{- end }}
{{- end }}
{{- with $values.podDisruptionBudget }}
{{- $both := and (ne (toString .minAvailable) "") (ne (toString .maxUnavailable) "") }}
{{- $none := and (eq (toString .minAvailable) "") (eq (toString .maxUnavailable) "") }}
{{- if and .enabled (or $both $none) }}
{{- fail "podDisruptionBudget.maxUnavailable: give it or podDisruptionBudget.minAvailable, and leave the other one empty" }}
{{- end }}
{{- end }}
{{- with $values.autoscaling }}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) }}
{{- fail "autoscaling.maxReplicas: is smaller than autoscaling.minReplicas" }}
{{- end }}
{{- if and .enabled (not (or .targetCPUUtilizationPercentage .targetMemoryUtilizationPercentage)) }}
{{- fail "autoscaling.targetCPUUtilizationPercentage: give it or autoscaling.targetMemoryUtilizationPercentage" }}
{{- end }}
{{- end }}
{{- if and $values.tests.tokenSecret (not $auth.botTokens) }}
{{- fail "config.auth.botTokens: set it to true, since the bot of `helm test` comes in with a token; or leave tests.tokenSecret empty" }}
{{- end }}
{{- with $values.bots }}
{{- if and .enabled $auth.botTokens (not .tokensSecret) (not .extraVolumes) }}
{{- fail "bots.tokensSecret: name the Secret with a token for each bot; or give them certificates by bots.extraVolumes and bots.extraArgs" }}
{{- end }}
{{- if and .autoscaling.enabled (not .enabled) }}
{{- fail "bots.enabled: set it to true, or bots.autoscaling.enabled to false: there are no bots to scale" }}
{{- end }}
{{- if and .autoscaling.enabled (not $auth.farm) }}
{{- fail "config.auth.farm: KEDA sends no tokens, so the farm must know it by a certificate; set it, and tls.clientAuthorities, or bots.autoscaling.enabled to false" }}
{{- end }}
{{- if and .autoscaling.enabled (not .autoscaling.authenticationRef.name) }}
{{- fail "bots.autoscaling.authenticationRef.name: name the TriggerAuthentication with KEDA's certificate" }}
{{- end }}
{{- if and .autoscaling.enabled (gt (int .autoscaling.minReplicas) (int .autoscaling.maxReplicas)) }}
{{- fail "bots.autoscaling.maxReplicas: is smaller than bots.autoscaling.minReplicas" }}
{{- end }}
{{- end }}
{{- end }}
