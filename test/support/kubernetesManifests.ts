/** What stands in ops/kubernetes, read, and what Kubernetes' own schemas say of it. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Yaml } from "effect/encoding"

const root = join(import.meta.dirname, "../..")

export type Labels = Readonly<Record<string, string>>
export interface Selector {
  readonly matchLabels?: Labels
}
export interface Probe {
  readonly exec?: { readonly command: ReadonlyArray<string> }
  readonly httpGet?: { readonly path: string; readonly port: string | number; readonly scheme?: string }
  readonly periodSeconds: number
  readonly timeoutSeconds: number
  readonly failureThreshold: number
}
interface Key {
  readonly name: string
  readonly key: string
}
export interface Container {
  readonly name: string
  readonly image: string
  readonly command?: ReadonlyArray<string>
  readonly args?: ReadonlyArray<string>
  readonly env?: ReadonlyArray<{
    readonly name: string
    readonly value?: string
    readonly valueFrom?: { readonly secretKeyRef?: Key; readonly fieldRef?: { readonly fieldPath: string } }
  }>
  readonly envFrom?: ReadonlyArray<{ readonly configMapRef?: { readonly name: string } }>
  readonly ports?: ReadonlyArray<{ readonly name: string; readonly containerPort: number }>
  readonly securityContext?: {
    readonly allowPrivilegeEscalation?: boolean
    readonly readOnlyRootFilesystem?: boolean
    readonly privileged?: boolean
    readonly runAsUser?: number
    readonly capabilities?: { readonly add?: ReadonlyArray<string>; readonly drop?: ReadonlyArray<string> }
  }
  readonly resources?: { readonly requests?: Labels; readonly limits?: Labels }
  readonly startupProbe?: Probe
  readonly readinessProbe?: Probe
  readonly livenessProbe?: Probe
  readonly lifecycle?: { readonly preStop?: { readonly exec?: { readonly command: ReadonlyArray<string> } } }
  readonly volumeMounts?: ReadonlyArray<{
    readonly name: string
    readonly mountPath: string
    readonly readOnly?: boolean
  }>
}
export interface Volume {
  readonly name: string
  readonly secret?: { readonly secretName: string; readonly defaultMode?: number }
  readonly configMap?: { readonly name: string }
  readonly emptyDir?: { readonly medium?: string; readonly sizeLimit?: string }
}
export interface PodSpec {
  readonly serviceAccountName?: string
  readonly automountServiceAccountToken?: boolean
  readonly enableServiceLinks?: boolean
  readonly hostNetwork?: boolean
  readonly terminationGracePeriodSeconds: number
  readonly securityContext?: {
    readonly runAsNonRoot?: boolean
    readonly runAsUser?: number
    readonly fsGroup?: number
    readonly seccompProfile?: { readonly type: string }
  }
  readonly topologySpreadConstraints?: ReadonlyArray<{
    readonly topologyKey: string
    readonly whenUnsatisfiable: string
    readonly labelSelector: Selector
  }>
  readonly initContainers?: ReadonlyArray<Container>
  readonly containers: ReadonlyArray<Container>
  readonly volumes?: ReadonlyArray<Volume>
}
export interface Peer {
  readonly namespaceSelector?: Selector
  readonly podSelector?: Selector
  readonly ipBlock?: { readonly cidr: string; readonly except?: ReadonlyArray<string> }
}
export interface Rule {
  readonly to?: ReadonlyArray<Peer>
  readonly from?: ReadonlyArray<Peer>
  readonly ports?: ReadonlyArray<{ readonly port: string | number }>
}
/** Of every kind that is used here, what is looked at. */
export interface Document {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Labels }
  readonly automountServiceAccountToken?: boolean
  readonly type?: string
  readonly data?: Labels
  readonly stringData?: Labels
  readonly spec?: {
    readonly replicas?: number
    readonly progressDeadlineSeconds?: number
    readonly strategy?: { readonly rollingUpdate?: { readonly maxSurge: number; readonly maxUnavailable: number } }
    readonly template?: { readonly metadata: { readonly labels: Labels }; readonly spec: PodSpec }
    readonly selector?: unknown
    readonly maxUnavailable?: number
    readonly ports?: ReadonlyArray<{ readonly port: number; readonly targetPort: string | number }>
    readonly podSelector?: Selector
    readonly policyTypes?: ReadonlyArray<string>
    readonly ingress?: ReadonlyArray<Rule>
    readonly egress?: ReadonlyArray<Rule>
  }
}
export interface Kustomization {
  readonly apiVersion: string
  readonly kind: string
  readonly namespace: string
  readonly resources: ReadonlyArray<string>
  readonly configMapGenerator: ReadonlyArray<{ readonly name: string; readonly envs: ReadonlyArray<string> }>
  readonly images: ReadonlyArray<{ readonly name: string; readonly newName?: string; readonly newTag?: string }>
}
export interface Manifests {
  /** Every file of the folder. */
  readonly texts: Readonly<Record<string, string>>
  readonly kustomization: Kustomization
  readonly documents: ReadonlyArray<Document>
  readonly example: ReadonlyArray<Document>
  /** Settings by the name of the ConfigMap that holds them. */
  readonly settings: Readonly<Record<string, Labels>>
}

export const exampleFile = "secret.example.yaml"
export const kustomizationFile = "kustomization.yaml"

export const manifestTexts = (): Record<string, string> => {
  const folder = join(root, "ops/kubernetes")
  return Object.fromEntries(readdirSync(folder).map((file) => [file, readFileSync(join(folder, file), "utf8")]))
}

const documentsOf = (text: string): ReadonlyArray<Document> =>
  text.split(/^---$/mu).map((part) => Yaml.parse(part) as unknown as Document)

const settingsOf = (text: string): Labels =>
  Object.fromEntries(
    text.split("\n").flatMap((line) => {
      const at = line.indexOf("=")
      return line.startsWith("#") || at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1)]]
    })
  )

export const manifestsOf = (texts: Readonly<Record<string, string>>): Manifests => {
  const kustomization = Yaml.parse(texts[kustomizationFile] ?? "") as unknown as Kustomization
  return {
    texts,
    kustomization,
    documents: kustomization.resources.flatMap((file) => (texts[file] === undefined ? [] : documentsOf(texts[file]))),
    example: documentsOf(texts[exampleFile] ?? ""),
    settings: Object.fromEntries(
      kustomization.configMapGenerator.map(({ envs, name }) => [
        name,
        Object.assign({}, ...envs.map((file) => settingsOf(texts[file] ?? "")))
      ])
    )
  }
}

type Validate = ((data: unknown) => boolean) & { readonly errors: ReadonlyArray<ValidationError> | null }
interface ValidationError {
  readonly instancePath: string
  readonly message?: string
  readonly keyword: string
}

const groups: Readonly<Record<string, string>> = {
  v1: "Core",
  "apps/v1": "Apps",
  "policy/v1": "Policy",
  "networking.k8s.io/v1": "Networking"
}

/** Null for a kind that there is not. Without their types: those of all of Kubernetes would be read at each check of types. */
const validatorOf = async ({ apiVersion, kind }: Document): Promise<Validate | null> => {
  const name = `kubernetes-models/_schemas/IoK8sApi${groups[apiVersion]}V1${kind}`
  if (!existsSync(join(root, "node_modules", `${name}.js`))) return null
  const { validate } = (await import(/* @vite-ignore */ name)) as { readonly validate: Validate }
  return validate
}

/**
 * The schemas permit fields that they do not know, and the API server drops them: a misspelled `livenesProbe` would be none.
 * A validator reads every field that it knows, so that one which it never reads is unknown.
 */
const watched = (value: unknown, path: string, unread: Set<string>): unknown => {
  if (typeof value !== "object" || value === null) return value
  const fields = new Map<string, unknown>()
  for (const [key, inner] of Object.entries(value)) {
    unread.add(`${path}/${key}`)
    fields.set(key, watched(inner, `${path}/${key}`, unread))
  }
  return new Proxy(value, {
    get: (target, key) => {
      if (typeof key !== "string" || !fields.has(key)) return Reflect.get(target, key)
      unread.delete(`${path}/${key}`)
      return fields.get(key)
    }
  })
}

/** What Kubernetes' schema of its kind says is wrong with a document, and fields that it does not know. */
export const schemaProblems = async (document: Document): Promise<ReadonlyArray<string>> => {
  const what = `${document.kind} ${document.metadata?.name}`
  const validate = await validatorOf(document)
  if (validate === null) return [`${what}: no such kind as ${document.apiVersion} ${document.kind}`]
  const unread = new Set<string>()
  const isRight = validate(watched(document, "", unread))
  const said = (validate.errors ?? []).map(
    ({ instancePath, keyword, message }) => `${what}: ${instancePath} ${message ?? keyword}`
  )
  if (!isRight) return said
  return Array.from(unread, (path) => `${what}: ${path} is no field`)
}
