/**
 * The operations as endpoints of the micro service: what `nats micro info` lists, and where each answer counts.
 *
 * An operation that takes one more token (`credential.get.<consumer>`) is two endpoints: to whoever asks, those
 * are two subjects. What names no operation counts for metrics only.
 */
import type { Endpoint, Micro } from "./Micro.ts"
import type { Operation } from "./Operation.ts"

/** `token.provision-batch` as a name of ADR-32; admin operations stand apart from tenants' ones. */
export const endpointName = (operation: Operation): string =>
  `${operation.family === "tenant" ? "" : `${operation.family}-`}${operation.name.replaceAll(".", "-")}`

export const endpointSubject = (instance: string, operation: Operation): string =>
  operation.family === "tenant"
    ? `${instance}.v1.*.${operation.name}`
    : `${instance}.${operation.family}.v1.${operation.name}`

/** Where a request counts: for an operation with or without one more token, or for none. */
export type EndpointOf = (operation: Operation | null, extra: string | null) => Endpoint

export const make = (
  micro: Micro["Service"],
  protocol: string,
  instance: string,
  operations: ReadonlyArray<Operation>
): EndpointOf => {
  const endpointOf = (operation: Operation, nameEnd: string, subjectEnd: string) =>
    micro.endpoint({
      protocol,
      name: endpointName(operation) + nameEnd,
      subject: endpointSubject(instance, operation) + subjectEnd,
      metadata: { about: operation.about }
    })
  const unlisted = micro.endpoint({ protocol, name: "unknown", subject: "", unlisted: true })
  const plain = new Map(operations.map((operation) => [operation, endpointOf(operation, "", "")]))
  const withExtra = new Map(
    operations
      .filter(({ takesExtra }) => takesExtra)
      .map((operation) => [operation, endpointOf(operation, "-of", ".*")])
  )
  return (operation, extra) =>
    (operation === null ? undefined : (extra === null ? plain : withExtra).get(operation)) ?? unlisted
}
