/** Of ops/kubernetes: that what refers to something finds it, who reaches whom, and that no secret stands there. */
import type { Container, Labels, Manifests, Peer, Rule } from "./kubernetesManifests.ts"
import { type Check, containersOf, matches, ofEach, portOf, unless, workloadsOf } from "./kubernetesWorkloads.ts"

/** What a reader of the manifests finds by its name: objects with their keys. */
const objectsOf = ({ documents, example, settings: maps }: Manifests) => {
  const keys = new Map<string, ReadonlyArray<string>>()
  for (const { data, kind, metadata, stringData } of [...documents, ...example]) {
    keys.set(`${kind} ${metadata.name}`, Object.keys({ ...data, ...stringData }))
  }
  for (const [name, map] of Object.entries(maps)) keys.set(`ConfigMap ${name}`, Object.keys(map))
  return keys
}
const references = ofEach(({ environment, isGateway, main, pod }, manifests, facts) => {
  const objects = objectsOf(manifests)
  const volumes = new Map((pod.volumes ?? []).map((volume) => [volume.name, volume]))
  const sourceOf = (name: string): string => {
    const { configMap, secret } = volumes.get(name) ?? {}
    return secret === undefined ? `ConfigMap ${configMap?.name}` : `Secret ${secret.secretName}`
  }
  const mountAt = (container: Container | undefined, file: string) =>
    container?.volumeMounts?.find(({ mountPath }) => file.startsWith(`${mountPath}/`))
  const fileIsThere = (container: Container | undefined, file: string): boolean => {
    const mount = mountAt(container, file)
    if (mount === undefined) return false
    if (volumes.get(mount.name)?.emptyDir !== undefined) return file === environment.CM_READY_FILE
    return objects.get(sourceOf(mount.name))?.includes(file.slice(mount.mountPath.length + 1)) === true
  }
  return [
    ...containersOf(pod).flatMap(({ env = [], envFrom = [], volumeMounts = [] }) => [
      ...envFrom.flatMap(({ configMapRef }) =>
        unless(
          manifests.settings[configMapRef?.name ?? ""] !== undefined,
          `there is no ConfigMap ${configMapRef?.name}`
        )
      ),
      ...env.flatMap(({ valueFrom }) => {
        const { key = "", name } = valueFrom?.secretKeyRef ?? {}
        return unless(
          name === undefined || objects.get(`Secret ${name}`)?.includes(key) === true,
          `no ${key} in Secret ${name}`
        )
      }),
      ...volumeMounts.flatMap(({ mountPath, name, readOnly }) => [
        ...unless(volumes.has(name), `there is no volume ${name}`),
        ...unless(volumes.get(name)?.emptyDir !== undefined || readOnly === true, `${mountPath} may be written`)
      ])
    ]),
    ...(pod.volumes ?? []).flatMap(({ emptyDir, name, secret }) => [
      ...unless(emptyDir !== undefined || objects.has(sourceOf(name)), `there is no ${sourceOf(name)}`),
      ...unless(secret === undefined || secret.defaultMode === 0o400, `${name} is readable by all`),
      ...unless(
        emptyDir === undefined || (emptyDir.medium === "Memory" && emptyDir.sizeLimit !== undefined),
        `${name} is on a disk, or unbounded`
      )
    ]),
    ...Object.entries(environment).flatMap(([name, value]) =>
      unless(!value.startsWith("/") || fileIsThere(main, value), `${name} names a file that is not there`)
    ),
    ...facts.settings.flatMap(({ name }) =>
      unless(
        !/_CA$/u.test(name) || environment[name] !== undefined || (isGateway && name.startsWith("DATABASE")),
        `${name} is not given`
      )
    ),
    // A Secret in a volume is root's: without a group nobody else reads it.
    ...unless((pod.securityContext?.fsGroup ?? 0) > 0, "cannot read its Secrets")
  ]
})

const ports: Check = (manifests) => {
  const workloads = workloadsOf(manifests)
  const listening = workloads.filter(({ isGateway }) => isGateway)
  return [
    ...workloads
      .filter(({ isGateway, main }) => !isGateway && (main.ports ?? []).length > 0)
      .map(({ name }) => `${name} listens on nothing`),
    ...listening.flatMap(({ environment, main, name }) => [
      ...unless(portOf(main, "https") === Number(environment.CM_GATEWAY_PORT), `${name}: https is another port`),
      ...unless(portOf(main, "admin") === Number(environment.CM_GATEWAY_ADMIN_PORT), `${name}: admin is another port`)
    ]),
    ...manifests.documents
      .filter(({ kind }) => kind === "Service")
      .flatMap(({ metadata, spec }) => {
        const behind = listening.filter(({ labels }) => matches({ matchLabels: spec?.selector as Labels }, labels))
        const others = workloads.filter(({ labels }) => matches({ matchLabels: spec?.selector as Labels }, labels))
        return [
          ...unless(
            behind.length === 1 && others.length === 1,
            `Service ${metadata.name} has not the gateway behind it`
          ),
          ...(spec?.ports ?? []).flatMap(({ targetPort }) =>
            unless(
              behind.every(({ main }) => targetPort === "https" && portOf(main, targetPort) !== undefined),
              `Service ${metadata.name}: no port ${targetPort}`
            )
          )
        ]
      })
  ]
}

/** Every password, key and certificate is a placeholder, in the one file that is not applied. */
const secrets: Check = ({ documents, example, texts }) => [
  ...documents.filter(({ kind }) => kind === "Secret").map(({ metadata }) => `Secret ${metadata.name} is applied`),
  ...example.flatMap(({ data, kind, metadata, stringData }) =>
    Object.entries({ ...data, ...stringData }).flatMap(([key, value]) =>
      unless(/<[^>]+>/u.test(value), `${kind} ${metadata.name} has a value of ${key}`)
    )
  ),
  ...Object.entries(texts).flatMap(([file, text]) => [
    ...unless(!/-----BEGIN/u.test(text), `${file} holds a key or a certificate`),
    ...unless(!/[a-z]:\/\/[^\s/:@]*:[^\s<@/][^\s@/]*@/u.test(text), `${file} holds a password in an address`),
    ...unless(
      !/(?<![A-Za-z0-9+/.-])[A-Za-z0-9+/]{40,}={0,2}(?![A-Za-z0-9+/.-])/u.test(text),
      `${file} holds a random text`
    )
  ])
]

/** Where an address within the cluster leads: the namespace in its name, and its port. */
const addressesIn = (text: string): ReadonlyArray<readonly [namespace: string, port: number]> =>
  [...text.matchAll(/[a-z0-9-]+\.([a-z0-9-]+)\.svc\.cluster\.local:(\d+)/gu)].map(([, namespace, port]) => [
    namespace!,
    Number(port)
  ])
const privateBlocks = [
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.168.0.0/16"
]
const privateBlocks6 = ["::1/128", "fc00::/7", "fe80::/10"]

const network: Check = (manifests) => {
  const policies = manifests.documents.filter(({ kind }) => kind === "NetworkPolicy")
  const workloads = workloadsOf(manifests)
  const rulesOf = (labels: Labels, which: "egress" | "ingress"): ReadonlyArray<Rule> =>
    policies.filter(({ spec }) => matches(spec?.podSelector, labels)).flatMap(({ spec }) => spec?.[which] ?? [])
  const isClosed = (which: string) =>
    policies.some(
      ({ spec }) =>
        Object.keys(spec?.podSelector ?? {}).length === 0 &&
        spec?.policyTypes?.includes(which) === true &&
        spec.ingress === undefined &&
        spec.egress === undefined
    )
  const leadsTo = (rules: ReadonlyArray<Rule>, namespace: string, port: number | string): boolean =>
    rules.some(
      ({ from = [], ports = [], to = [] }) =>
        ports.some((one) => one.port === port) &&
        [...from, ...to].some(
          ({ namespaceSelector }) => namespaceSelector?.matchLabels?.["kubernetes.io/metadata.name"] === namespace
        )
    )
  const isTooWide = ({ ipBlock, namespaceSelector, podSelector }: Peer): boolean => {
    if (ipBlock === undefined)
      return Object.keys(namespaceSelector?.matchLabels ?? podSelector?.matchLabels ?? {}).length === 0
    const kept = ipBlock.cidr.includes(":") ? privateBlocks6 : privateBlocks
    return !kept.every((block) => ipBlock.except?.includes(block) === true)
  }
  const databases = manifests.example.flatMap(({ stringData }) => addressesIn(stringData?.DATABASE_URL ?? ""))
  return [
    ...["Ingress", "Egress"].flatMap((which) => unless(isClosed(which), `${which} is open for what no policy names`)),
    ...policies
      .filter(({ spec }) => !workloads.some(({ labels }) => matches(spec?.podSelector, labels)))
      .map(({ metadata }) => `NetworkPolicy ${metadata.name} is for no pods`),
    ...workloads.flatMap(({ environment, isGateway, labels, main, name }) => {
      const [ingress, egress] = [rulesOf(labels, "ingress"), rulesOf(labels, "egress")]
      const peers = [...ingress, ...egress].flatMap(({ from = [], ports = [], to = [] }) =>
        ports.length === 0 || from.length + to.length === 0 ? [{}] : [...from, ...to]
      )
      const isOutside = ({ to = [] }: Rule) => to.some(({ ipBlock }) => ipBlock !== undefined)
      return [
        ...unless(isGateway || ingress.length === 0, `${name}: somebody may come in`),
        ...unless(!peers.some(isTooWide), `${name}: a rule is for everybody, everything, or the cluster and its hosts`),
        ...unless(leadsTo(egress, "kube-system", 53), `${name}: finds no names`),
        ...addressesIn(environment.NATS_URL ?? "").flatMap(([namespace, port]) =>
          unless(leadsTo(egress, namespace, port), `${name}: does not reach the bus`)
        ),
        ...(isGateway ? [] : databases).flatMap(([namespace, port]) =>
          unless(leadsTo(egress, namespace, port), `${name}: does not reach the database`)
        ),
        ...unless(
          egress.some(isOutside) === !isGateway,
          `${name}: providers are the service's to reach, and its alone`
        ),
        ...egress.filter(isOutside).flatMap(({ ports = [] }) =>
          unless(
            ports.every(({ port }) => port === 443),
            `${name}: the internet is HTTPS`
          )
        ),
        ...ingress.flatMap(({ ports = [] }) =>
          ports.flatMap(({ port }) => unless(portOf(main, port) !== undefined, `${name}: comes in at no port ${port}`))
        ),
        ...unless(
          !isGateway || ingress.some(({ ports = [] }) => ports.some(({ port }) => port === "https")),
          `${name}: nobody comes in`
        )
      ]
    })
  ]
}

export const referenceRules = { references, ports, secrets, network }
