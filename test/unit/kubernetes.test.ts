// Verifies R-RUN-19.
/**
 * ops/kubernetes is what Kubernetes' own schemas permit, and what the service needs. Each rule finds nothing in what is shipped,
 * and something in each way of getting it wrong.
 *
 * Longer than 300 lines because each rule has its faults here, one after the other.
 */
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "vitest"
import type { Declared } from "../../src/observability/Setting.ts"
import { type Manifests, manifestsOf, manifestTexts, schemaProblems } from "../support/kubernetesManifests.ts"
import { referenceRules } from "../support/kubernetesReferences.ts"
import { rules } from "../support/kubernetesRules.ts"
import type { Facts } from "../support/kubernetesWorkloads.ts"

const root = join(import.meta.dirname, "../..")
const read = (file: string) => readFileSync(join(root, file), "utf8")

const { settings } = JSON.parse(
  execFileSync(process.execPath, [join(root, "scripts/settings.mjs"), "--json"], { encoding: "utf8" })
) as { readonly settings: ReadonlyArray<Declared> }
const dockerfile = read("Dockerfile")
const facts: Facts = {
  settings,
  healthCommand: JSON.parse(/^HEALTHCHECK[\s\S]*?\bCMD (\[.*\])$/mu.exec(dockerfile)?.[1] ?? "[]") as Array<string>,
  imageEnvironment: Object.fromEntries(
    [...dockerfile.matchAll(/^ENV ([A-Z_]+)=(\S+)$/gmu)].map(([, name, value]) => [name!, value!])
  ),
  operational: [...read("src/gateway/Operational.ts").matchAll(/path: "([^"]+)"/gu)].map(([, path]) => path!)
}
const allRules = { ...rules, ...referenceRules }
type RuleName = keyof typeof allRules | "schema"

const shipped = manifestTexts()
const problemsOf = async (name: RuleName, manifests: Manifests): Promise<ReadonlyArray<string>> => {
  if (name !== "schema") return allRules[name](manifests, facts)
  return (await Promise.all([...manifests.documents, ...manifests.example].map(schemaProblems))).flat()
}

it.each([...(Object.keys(allRules) as ReadonlyArray<RuleName>), "schema" as const])(
  "what is shipped: %s",
  async (name) => {
    const manifests = manifestsOf(shipped)
    assert.isAbove(manifests.documents.length, 10)
    assert.deepStrictEqual(await problemsOf(name, manifests), [])
  }
)

/** In which file, what stands there, what stands there instead, and what the rule then says. */
type Fault = readonly [rule: RuleName, file: string, from: string | RegExp, to: string, said: string]
const service = "service.yaml"
const gateway = "gateway.yaml"
const policies = "network-policies.yaml"
const faults: ReadonlyArray<Fault> = [
  [
    "schema",
    service,
    "livenessProbe:",
    "livenesProbe:",
    "Deployment cm: /spec/template/spec/containers/0/livenesProbe is no field"
  ],
  ["schema", service, "replicas: 3", "replicas: three", "Deployment cm: /spec/replicas type"],
  ["schema", service, "kind: Deployment", "kind: Deploiment", "Deploiment cm: no such kind as apps/v1 Deploiment"],
  [
    "schema",
    policies,
    "podSelector: {}",
    "podSelectors: {}",
    "NetworkPolicy nothing-else: /spec/podSelectors is no field"
  ],
  [
    "schema",
    "disruption-budgets.yaml",
    "AlwaysAllow",
    "Always",
    "PodDisruptionBudget cm: /spec/unhealthyPodEvictionPolicy"
  ],
  ["folder", "kustomization.yaml", "  - network-policies.yaml\n", "", "network-policies.yaml is not applied"],
  ["folder", "kustomization.yaml", "- service.yaml", "- servis.yaml", "servis.yaml is not there"],
  [
    "folder",
    "kustomization.yaml",
    "- service.yaml",
    "- service.yaml\n  - secret.example.yaml",
    "the example of secrets is applied"
  ],
  [
    "folder",
    policies,
    "namespace: credential-management",
    "namespace: default",
    "NetworkPolicy nothing-else is in another namespace"
  ],
  ["settings", "service.env", "CM_STREAM_REPLICAS", "CM_STREAM_COPIES", "cm: CM_STREAM_COPIES is no setting"],
  [
    "settings",
    "service.env",
    "CM_STREAM_REPLICAS=3",
    "CM_STREAM_REPLICAS=6",
    "cm: CM_STREAM_REPLICAS is out of its range"
  ],
  ["settings", "service.env", "25 seconds", "10 minutes", "cm: CM_DRAIN_TIMEOUT is out of its range"],
  [
    "settings",
    "gateway.env",
    "CM_GATEWAY_PORT=8443",
    "CM_GATEWAY_PORT=https",
    "cm-gateway: CM_GATEWAY_PORT is out of its range"
  ],
  ["settings", "gateway.env", /^NATS_URL=.*$/mu, "", "cm-gateway: NATS_URL is not given"],
  ["settings", service, "name: DATABASE_URL", "name: DATABASE_URI", "cm: DATABASE_URL is not given"],
  [
    "settings",
    "service.env",
    "NATS_USER=service",
    "NATS_PASSWORD=p",
    "cm: NATS_PASSWORD is a secret and stands in the open"
  ],
  [
    "settings",
    "gateway.env",
    "NATS_USER=gateway",
    "NATS_USER=gateway\nCM_KEY_FILE=/keys/k",
    "cm-gateway: the gateway needs no database and no key"
  ],
  [
    "replicaIds",
    service,
    "fieldPath: metadata.name",
    "fieldPath: spec.nodeName",
    "cm: CM_REPLICA_ID is not the pod's name"
  ],
  [
    "replicaIds",
    service,
    "  name: cm\n",
    "  name: credential-management\n",
    "credential-management: a pod's name is no replica id"
  ],
  ["replicaIds", service, "  name: cm\n", "  name: cm.one\n", "cm.one: a pod's name is no replica id"],
  ["probes", service, "-mmin -1", "-mmin -9", "cm: the liveness probe is not the image's health check"],
  [
    "probes",
    "service.env",
    "/tmp/ready",
    "/tmp/ready.json",
    "cm: the readiness probe looks for another file than CM_READY_FILE"
  ],
  ["probes", service, "startupProbe:", "startup:", "cm: no startup probe"],
  ["probes", gateway, "path: /ready", "path: /health", "cm-gateway: the readiness probe does not ask /ready"],
  [
    "probes",
    gateway,
    "{ path: /health, port: admin }",
    "{ path: /health, port: https }",
    "cm-gateway: the startup probe asks another port"
  ],
  [
    "probes",
    gateway,
    "{ path: /health, port: admin }",
    "{ path: /health, port: admin, scheme: HTTPS }",
    "cm-gateway: the port for operators speaks no TLS"
  ],
  [
    "times",
    service,
    "terminationGracePeriodSeconds: 45",
    "terminationGracePeriodSeconds: 30",
    "cm: is killed before a stop is over (35 s)"
  ],
  ["times", "service.env", "25 seconds", "60 seconds", "cm: is killed before a stop is over (70 s)"],
  [
    "times",
    gateway,
    "terminationGracePeriodSeconds: 45",
    "terminationGracePeriodSeconds: 30",
    "cm-gateway: is killed before a stop is over (40 s)"
  ],
  [
    "times",
    service,
    "failureThreshold: 450",
    "failureThreshold: 300",
    "cm: is killed before a start gives up by itself (720 s)"
  ],
  ["times", service, "  progressDeadlineSeconds: 1200\n", "", "cm: a rollout fails before a start does"],
  ["times", service, "failureThreshold: 6", "failureThreshold: 3", "cm: a stop by drain is taken for hung"],
  [
    "rollout",
    service,
    "maxUnavailable: 0",
    "maxUnavailable: 1",
    "cm: a rollout stops an old one before a new one is ready"
  ],
  [
    "rollout",
    service,
    "matchLabels: *labels\n  template",
    "matchLabels: { app: cm }\n  template",
    "cm: does not select its own pods"
  ],
  [
    "rollout",
    service,
    "matchLabels: *labels\n  template",
    "matchLabels: { app.kubernetes.io/name: credential-management }\n  template",
    "cm: selects another one's pods"
  ],
  [
    "rollout",
    "disruption-budgets.yaml",
    "component: service",
    "component: services",
    "cm: 0 disruption budgets are for its pods"
  ],
  [
    "rollout",
    "disruption-budgets.yaml",
    "maxUnavailable: 1",
    "maxUnavailable: 0",
    "cm: an eviction is never permitted, or of too many"
  ],
  ["rollout", service, "replicas: 3", "replicas: 1", "cm: an eviction is never permitted, or of too many"],
  [
    "rollout",
    service,
    "topologyKey: topology.kubernetes.io/zone",
    "topologyKey: zone",
    "cm: its pods are not spread by topology.kubernetes.io/zone"
  ],
  [
    "rollout",
    gateway,
    "labelSelector:\n            matchLabels: *labels",
    "labelSelector:\n            matchLabels: { a: b }",
    "cm-gateway: its pods are not spread by kubernetes.io/hostname"
  ],
  ["rights", service, "runAsNonRoot: true", "runAsNonRoot: false", "cm: may be root"],
  ["rights", service, "        runAsUser: 1000\n", "", "cm: may be root"],
  ["rights", service, "type: RuntimeDefault", "type: Unconfined", "cm: may make any system call"],
  [
    "rights",
    gateway,
    "readOnlyRootFilesystem: true",
    "readOnlyRootFilesystem: false",
    "cm-gateway: container gateway may write its root"
  ],
  [
    "rights",
    service,
    "allowPrivilegeEscalation: false",
    "allowPrivilegeEscalation: true",
    "cm: container service may gain rights"
  ],
  ["rights", service, "drop: [ALL]", "drop: [NET_RAW]", "cm: container service keeps capabilities"],
  [
    "rights",
    service,
    'limits: { cpu: "2", memory: 1Gi }',
    'limits: { cpu: "2" }',
    "cm: container service has no limit of memory"
  ],
  ["rights", service, "      automountServiceAccountToken: false\n", "", "cm: has a token of the cluster"],
  [
    "rights",
    "service-accounts.yaml",
    "automountServiceAccountToken: false",
    "automountServiceAccountToken: true",
    "cm: has no service account of its own without a token"
  ],
  [
    "rights",
    gateway,
    "enableServiceLinks: false",
    "enableServiceLinks: true",
    "cm-gateway: has Services of the namespace in its environment"
  ],
  [
    "rights",
    gateway,
    "image: credential-management",
    "image: credential-managment",
    "cm-gateway: container gateway has an image that kustomization.yaml does not name"
  ],
  [
    "references",
    service,
    "name: cm-service\n          env:",
    "name: cm-services\n          env:",
    "cm: there is no ConfigMap cm-services"
  ],
  ["references", service, "key: DATABASE_URL", "key: URL", "cm: no URL in Secret cm-service"],
  ["references", service, "secretName: cm-keys", "secretName: cm-key", "cm: there is no Secret cm-key"],
  ["references", service, "defaultMode: 256", "defaultMode: 420", "cm: keys is readable by all"],
  [
    "references",
    service,
    "{ name: keys, mountPath: /keys, readOnly: true }",
    "{ name: keys, mountPath: /keys }",
    "cm: /keys may be written"
  ],
  [
    "references",
    service,
    "{ name: trust, mountPath: /trust, readOnly: true }",
    "{ name: trust, mountPath: /trust }",
    "cm: /trust may be written"
  ],
  [
    "references",
    service,
    "{ name: trust, mountPath: /trust, readOnly: true }",
    "{ name: trust, mountPath: /tls, readOnly: true }",
    "cm: NATS_CA names a file that is not there"
  ],
  ["references", service, "        fsGroup: 1000\n", "", "cm: cannot read its Secrets"],
  [
    "references",
    service,
    "emptyDir: { medium: Memory, sizeLimit: 16Mi }",
    "emptyDir: {}",
    "cm: tmp is on a disk, or unbounded"
  ],
  ["references", "service.env", "DATABASE_CA=/trust/ca.pem", "", "cm: DATABASE_CA is not given"],
  [
    "references",
    "gateway.env",
    "/tls/tls.key",
    "/tls/key.pem",
    "cm-gateway: CM_GATEWAY_TLS_KEY names a file that is not there"
  ],
  [
    "references",
    gateway,
    "{ name: tls, mountPath: /tls, readOnly: true }",
    "{ name: tsl, mountPath: /tls, readOnly: true }",
    "cm-gateway: there is no volume tsl"
  ],
  ["ports", "gateway.env", "8443", "8444", "cm-gateway: https is another port"],
  ["ports", gateway, "containerPort: 8081", "containerPort: 8082", "cm-gateway: admin is another port"],
  ["ports", gateway, "targetPort: https", "targetPort: http", "Service gateway: no port http"],
  ["ports", gateway, "targetPort: https", "targetPort: admin", "Service gateway: no port admin"],
  [
    "ports",
    gateway,
    /component: gateway\n {2}ports/u,
    "component: service\n  ports",
    "Service gateway has not the gateway behind it"
  ],
  [
    "secrets",
    "secret.example.yaml",
    "<password of the bus user service>",
    "pq7Jt2",
    "Secret cm-service has a value of NATS_PASSWORD"
  ],
  [
    "secrets",
    "secret.example.yaml",
    "<password of the database user>",
    "pq7Jt2",
    "Secret cm-service has a value of DATABASE_URL"
  ],
  [
    "secrets",
    "service.env",
    "tls://nats-0",
    "tls://service:pq7Jt2@nats-0",
    "service.env holds a password in an address"
  ],
  ["secrets", "README.md", /$/u, "\n-----BEGIN PRIVATE KEY-----\n", "README.md holds a key or a certificate"],
  [
    "secrets",
    "service.env",
    "NATS_USER=service",
    "NATS_USER=WmZq0o3kV1x8YtQ5uJcB7dLr2sNhA9eGfPiKlMwXyZE",
    "service.env holds a random text"
  ],
  ["secrets", "namespace.yaml", "kind: Namespace", "kind: Secret", "Secret credential-management is applied"],
  [
    "network",
    policies,
    "policyTypes: [Ingress, Egress]",
    "policyTypes: [Ingress]",
    "Egress is open for what no policy names"
  ],
  [
    "network",
    policies,
    "policyTypes: [Ingress, Egress]",
    "policyTypes: [Egress]",
    "Ingress is open for what no policy names"
  ],
  [
    "network",
    policies,
    "              - 169.254.0.0/16\n",
    "",
    "cm: a rule is for everybody, everything, or the cluster and its hosts"
  ],
  ["network", policies, '"fc00::/7", ', "", "cm: a rule is for everybody, everything, or the cluster and its hosts"],
  [
    "network",
    policies,
    "matchLabels: { kubernetes.io/metadata.name: ingress }",
    "{}",
    "cm-gateway: a rule is for everybody, everything, or the cluster and its hosts"
  ],
  ["network", policies, "metadata.name: mariadb", "metadata.name: mysql", "cm: does not reach the database"],
  ["network", policies, "port: 4222", "port: 4223", "cm-gateway: does not reach the bus"],
  [
    "network",
    policies,
    "{ protocol: UDP, port: 53 }\n        - { protocol: TCP, port: 53 }",
    "{ protocol: UDP, port: 54 }",
    "cm: finds no names"
  ],
  ["network", policies, "port: 443 }", "port: 80 }", "cm: the internet is HTTPS"],
  [
    "network",
    policies,
    /component: gateway\n {2}policyTypes/u,
    "component: service\n  policyTypes",
    "cm: somebody may come in"
  ],
  ["network", policies, "port: admin", "port: metrics", "cm-gateway: comes in at no port metrics"],
  [
    "network",
    policies,
    "component: service\n  # Nobody",
    "component: gateway\n  # Nobody",
    "cm-gateway: providers are the service's to reach, and its alone"
  ],
  [
    "network",
    policies,
    /name: credential-management\n {6}app.kubernetes.io\/component: gateway/u,
    "name: gone",
    "NetworkPolicy gateway is for no pods"
  ]
]

it("every rule is tried by a fault", () => {
  assert.sameMembers([...new Set(faults.map(([rule]) => rule))], [...Object.keys(allRules), "schema"])
})

it.each(faults)("%s: in %s, not %j but %j", async (rule, file, from, to, said) => {
  const text = shipped[file]!
  const changed = text.replace(from, to)
  assert.notStrictEqual(changed, text, "the fault changes nothing")
  const found = await problemsOf(rule, manifestsOf({ ...shipped, [file]: changed }))
  assert.isTrue(
    found.some((one) => one.startsWith(said)),
    `${said}; but: ${found.join("; ")}`
  )
})
