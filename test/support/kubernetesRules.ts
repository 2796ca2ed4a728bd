/**
 * What has to be so of what runs by ops/kubernetes, beyond the schemas: each rule says in words what is wrong. What the service
 * needs is read from its settings, the Dockerfile and the gateway, not written down here again.
 */
import { exampleFile, kustomizationFile, type Selector } from "./kubernetesManifests.ts"
import {
  allTriesSeconds,
  type Check,
  containersOf,
  isInRange,
  matches,
  ofEach,
  portOf,
  secondsOf,
  settingOf,
  unless
} from "./kubernetesWorkloads.ts"

const folder: Check = ({ documents, kustomization, texts }) => [
  ...kustomization.resources.filter((file) => texts[file] === undefined).map((file) => `${file} is not there`),
  ...unless(!kustomization.resources.includes(exampleFile), "the example of secrets is applied"),
  ...Object.keys(texts)
    .filter((file) => file.endsWith(".yaml") && ![exampleFile, kustomizationFile].includes(file))
    .filter((file) => !kustomization.resources.includes(file))
    .map((file) => `${file} is not applied`),
  ...documents
    .filter(
      ({ kind, metadata }) => (kind === "Namespace" ? metadata.name : metadata.namespace) !== kustomization.namespace
    )
    .map(({ kind, metadata }) => `${kind} ${metadata.name} is in another namespace`)
]

const settings = ofEach((workload, _, facts) => {
  const { environment, isGateway, main } = workload
  const secretly = (main.env ?? []).filter(({ value }) => value === undefined).map(({ name }) => name)
  const given = [...Object.keys(environment), ...secretly]
  const known = new Map(facts.settings.map((setting) => [setting.name, setting]))
  const needed = [
    // Without a default, and of a form that nothing does not have.
    ...facts.settings
      .filter((one) => one.unit === "text" && one.byDefault === "" && !isInRange(one, ""))
      .map(({ name }) => name),
    ...["NATS_USER", "NATS_PASSWORD", "CM_REPLICA_ID"],
    ...(isGateway ? [] : ["DATABASE_URL", "CM_KEY_FILE", "CM_READY_FILE"])
  ]
  return [
    ...given.filter((name) => !known.has(name)).map((name) => `${name} is no setting`),
    ...needed.filter((name) => !given.includes(name)).map((name) => `${name} is not given`),
    ...Object.entries(environment).flatMap(([name, value]) => [
      ...unless(known.get(name)?.secret !== true, `${name} is a secret and stands in the open`),
      ...unless(known.get(name) === undefined || isInRange(known.get(name)!, value), `${name} is out of its range`)
    ]),
    ...unless(
      !(isGateway && given.some((name) => /^DATABASE|^CM_KEY_FILE/u.test(name))),
      "the gateway needs no database and no key"
    )
  ]
})

const replicaIds = ofEach(({ main, name }, _, facts) => {
  const from = main.env?.find((one) => one.name === "CM_REPLICA_ID")?.valueFrom?.fieldRef?.fieldPath
  // What a Deployment's pod is called: its name, the hash of its template, and a random end.
  const setting = facts.settings.find((one) => one.name === "CM_REPLICA_ID")
  return [
    ...unless(from === "metadata.name", "CM_REPLICA_ID is not the pod's name"),
    ...unless(setting !== undefined && isInRange(setting, `${name}-7c9d8f6b5d-x2x7q`), "a pod's name is no replica id")
  ]
})

const probes = ofEach((workload, _, facts) => {
  const { environment, isGateway, main } = workload
  const all = { startup: main.startupProbe, readiness: main.readinessProbe, liveness: main.livenessProbe }
  return Object.entries(all).flatMap(([name, probe]) => {
    if (probe === undefined) return [`no ${name} probe`]
    if (!isGateway) {
      return [
        ...unless(
          JSON.stringify(probe.exec?.command) === JSON.stringify(facts.healthCommand),
          `the ${name} probe is not the image's health check`
        ),
        ...unless(
          environment.CM_READY_FILE === facts.imageEnvironment.CM_READY_FILE &&
            facts.healthCommand.join(" ").includes(`${environment.CM_READY_FILE} `),
          `the ${name} probe looks for another file than CM_READY_FILE`
        )
      ]
    }
    const { path = "", port = "", scheme = "HTTP" } = probe.httpGet ?? {}
    const wanted = name === "readiness" ? "/ready" : "/health"
    return [
      ...unless(path === wanted && facts.operational.includes(path), `the ${name} probe does not ask ${wanted}`),
      ...unless(
        portOf(main, port) === Number(environment.CM_GATEWAY_ADMIN_PORT),
        `the ${name} probe asks another port`
      ),
      ...unless(scheme === "HTTP", "the port for operators speaks no TLS")
    ]
  })
})
const times = ofEach((workload, _, facts) => {
  const { document, isGateway, main, pod } = workload
  const seconds = (name: string) => secondsOf(settingOf(name, workload, facts))
  const beforeStop = Number(main.lifecycle?.preStop?.exec?.command.at(-1) ?? 0)
  // docs/operations.md, Stopping; of the gateway src/gateway/Server.ts.
  const stop = isGateway ? beforeStop + seconds("CM_GATEWAY_BUS_TIMEOUT") + 5 : seconds("CM_DRAIN_TIMEOUT") + 10
  const start =
    seconds("CM_NATS_CONNECT_LIMIT") +
    (isGateway ? 0 : seconds("CM_DB_CONNECT_LIMIT") + seconds("CM_DB_MIGRATION_WAIT"))
  const startLimit = allTriesSeconds(main.startupProbe)
  return [
    ...unless(pod.terminationGracePeriodSeconds >= stop, `is killed before a stop is over (${stop} s)`),
    ...unless(startLimit > start, `is killed before a start gives up by itself (${start} s)`),
    ...unless((document.spec?.progressDeadlineSeconds ?? 600) > startLimit, "a rollout fails before a start does"),
    ...unless(
      allTriesSeconds(main.livenessProbe) >= pod.terminationGracePeriodSeconds,
      "a stop by drain is taken for hung"
    )
  ]
})

const rollout = ofEach(({ document, labels, pod }, { documents }) => {
  const { replicas = 0, selector, strategy } = document.spec ?? {}
  const { maxSurge, maxUnavailable } = strategy?.rollingUpdate ?? { maxSurge: 0, maxUnavailable: 1 }
  const budgets = documents.filter(
    ({ kind, spec }) => kind === "PodDisruptionBudget" && matches(spec?.selector as Selector, labels)
  )
  const spread = pod.topologySpreadConstraints ?? []
  return [
    ...unless(maxUnavailable === 0 && maxSurge > 0, "a rollout stops an old one before a new one is ready"),
    ...unless(Object.keys((selector as Selector).matchLabels ?? {}).length > 0, "selects everything"),
    ...unless(matches(selector as Selector, labels), "does not select its own pods"),
    ...unless(budgets.length === 1, `${budgets.length} disruption budgets are for its pods`),
    ...budgets.flatMap(({ spec }) =>
      unless((spec?.maxUnavailable ?? 0) === 1 && replicas > 1, "an eviction is never permitted, or of too many")
    ),
    ...["kubernetes.io/hostname", "topology.kubernetes.io/zone"].flatMap((key) =>
      unless(
        spread.some(({ labelSelector, topologyKey }) => topologyKey === key && matches(labelSelector, labels)),
        `its pods are not spread by ${key}`
      )
    ),
    ...unless(
      documents.filter(
        ({ kind, spec }) => kind === "Deployment" && matches(selector as Selector, spec!.template!.metadata.labels)
      ).length === 1,
      "selects another one's pods"
    )
  ]
})

const rights = ofEach(({ pod }, { documents, kustomization }) => [
  ...unless(pod.securityContext?.runAsNonRoot === true && (pod.securityContext.runAsUser ?? 0) > 0, "may be root"),
  ...unless(pod.securityContext?.seccompProfile?.type === "RuntimeDefault", "may make any system call"),
  ...unless(pod.hostNetwork !== true, "is on the host's network"),
  ...unless(pod.automountServiceAccountToken === false, "has a token of the cluster"),
  ...unless(pod.enableServiceLinks === false, "has Services of the namespace in its environment"),
  ...unless(
    documents.some(
      ({ automountServiceAccountToken, kind, metadata }) =>
        kind === "ServiceAccount" && metadata.name === pod.serviceAccountName && automountServiceAccountToken === false
    ),
    "has no service account of its own without a token"
  ),
  ...containersOf(pod).flatMap(({ image, name, resources, securityContext }) =>
    [
      ...unless(securityContext?.readOnlyRootFilesystem === true, "may write its root"),
      ...unless(securityContext?.allowPrivilegeEscalation === false, "may gain rights"),
      ...unless(securityContext?.privileged !== true && securityContext?.runAsUser !== 0, "has the host's rights"),
      ...unless(
        securityContext?.capabilities?.drop?.includes("ALL") === true && securityContext.capabilities.add === undefined,
        "keeps capabilities"
      ),
      ...["cpu", "memory"].flatMap((kind) => [
        ...unless(resources?.limits?.[kind] !== undefined, `has no limit of ${kind}`),
        ...unless(resources?.requests?.[kind] !== undefined, `asks for no ${kind}`)
      ]),
      ...unless(
        kustomization.images.some((one) => one.name === image),
        "has an image that kustomization.yaml does not name"
      )
    ].map((what) => `container ${name} ${what}`)
  )
])

export const rules = { folder, settings, replicaIds, probes, times, rollout, rights }
