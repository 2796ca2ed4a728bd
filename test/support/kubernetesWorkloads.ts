/** What runs by ops/kubernetes, with its settings put together, and what rules about it are written with. */
import { Duration, Option, Schema } from "effect"
import type { Declared } from "../../src/observability/Setting.ts"
import type { Container, Document, Labels, Manifests, PodSpec, Probe, Selector } from "./kubernetesManifests.ts"

export interface Facts {
  readonly settings: ReadonlyArray<Declared>
  /** The image's health check, and what is in its environment. */
  readonly healthCommand: ReadonlyArray<string>
  readonly imageEnvironment: Labels
  /** Paths that the gateway's port for operators answers. */
  readonly operational: ReadonlyArray<string>
}
export type Check = (manifests: Manifests, facts: Facts) => ReadonlyArray<string>

export interface Workload {
  readonly name: string
  readonly document: Document
  readonly labels: Labels
  readonly pod: PodSpec
  readonly main: Container
  /** Of its main container: by ConfigMap, and by value. */
  readonly environment: Labels
  readonly isGateway: boolean
}
export const workloadsOf = ({ documents, settings }: Manifests): ReadonlyArray<Workload> =>
  documents.flatMap((document) => {
    const template = document.spec?.template
    const main = template?.spec.containers[0]
    if (document.kind !== "Deployment" || template === undefined || main === undefined) return []
    const maps = (main.envFrom ?? []).map(({ configMapRef }) => settings[configMapRef?.name ?? ""] ?? {})
    const values = (main.env ?? []).flatMap(({ name, value }) => (value === undefined ? [] : [[name, value] as const]))
    return [
      {
        ...{ name: document.metadata.name, document, labels: template.metadata.labels, pod: template.spec, main },
        environment: Object.assign({}, ...maps, Object.fromEntries(values)) as Labels,
        isGateway: (main.args ?? []).includes("src/gatewayMain.ts")
      }
    ]
  })
export const ofEach =
  (check: (workload: Workload, manifests: Manifests, facts: Facts) => ReadonlyArray<string>): Check =>
  (manifests, facts) =>
    workloadsOf(manifests).flatMap((workload) =>
      check(workload, manifests, facts).map((what) => `${workload.name}: ${what}`)
    )
export const containersOf = ({ containers, initContainers = [] }: PodSpec) => [...initContainers, ...containers]
export const matches = (selector: Selector | undefined, labels: Labels): boolean =>
  Object.entries(selector?.matchLabels ?? {}).every(([key, value]) => labels[key] === value)
export const unless = (isRight: boolean, what: string): ReadonlyArray<string> => (isRight ? [] : [what])
export const secondsOf = (text: string | undefined): number =>
  Duration.toSeconds(Schema.decodeUnknownSync(Schema.DurationFromString)(text ?? ""))
export const settingOf = (name: string, { environment }: Workload, { settings }: Facts): string =>
  environment[name] ?? settings.find((setting) => setting.name === name)!.byDefault
export const allTriesSeconds = (probe: Probe | undefined): number =>
  (probe?.periodSeconds ?? 0) * (probe?.failureThreshold ?? 0)

export const isInRange = ({ range, unit }: Declared, value: string): boolean => {
  if (unit === "text") return new RegExp(range, "u").test(value)
  if (unit === "flag") return range.split(", ").includes(value)
  const [least = "", most = ""] = range.split(" to ")
  if (unit !== "duration")
    return /^\d+$/u.test(value) && Number(value) >= Number(least) && Number(value) <= Number(most)
  return Option.match(Schema.decodeUnknownOption(Schema.DurationFromString)(value), {
    onNone: () => false,
    onSome: (duration) =>
      Duration.toSeconds(duration) >= secondsOf(least) && Duration.toSeconds(duration) <= secondsOf(most)
  })
}
export const portOf = (container: Container, port: string | number): number | undefined =>
  typeof port === "number" ? port : container.ports?.find(({ name }) => name === port)?.containerPort
