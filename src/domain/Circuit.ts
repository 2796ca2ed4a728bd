/**
 * When a provider, or a client at it, is left alone for a while: pure.
 *
 *   closed ──failures in a row──> open ──its time is over──> half open ──one exchange──> closed, or open for longer
 *
 * A circuit never keeps anybody from what may be lost by waiting: a grant whose grace runs out passes it, and
 * so does a person who asks. All times are UNIX milliseconds.
 */
export const circuitKinds = ["provider", "client"] as const
/** `provider`: it does not answer, or not in a way that is understood. `client`: it does not know the client. */
export type CircuitKind = (typeof circuitKinds)[number]

export interface Circuit {
  /** In a row. */
  readonly failures: number
  /** Times that it was opened since it was closed last. */
  readonly opens: number
  /** 0 while it is closed. */
  readonly openUntil: number
  /** Until when somebody is trying; 0: nobody. */
  readonly probeUntil: number
}
export type CircuitState = "closed" | "open" | "half_open"

export const closedCircuit: Circuit = { failures: 0, opens: 0, openUntil: 0, probeUntil: 0 }
const failuresMax: { readonly [Kind in CircuitKind]: number } = { provider: 5, client: 3 }
const shortestMs = 5_000
const longestMs = 60_000

/** 5 s, doubling to a minute, less a part by chance. */
export const openMs = (opens: number, chance: number): number =>
  Math.floor(Math.min(shortestMs * 2 ** Math.min(opens, 8), longestMs) * (1 - 0.2 * chance))

export const circuitState = ({ openUntil }: Circuit, now: number): CircuitState =>
  openUntil === 0 ? "closed" : now < openUntil ? "open" : "half_open"

/** Null: an exchange may begin, as the one that tries where the circuit is half open. Else when to ask again. */
export const waitFor = (circuit: Circuit, now: number): number | null => {
  switch (circuitState(circuit, now)) {
    case "closed":
      return null
    case "open":
      return circuit.openUntil
    case "half_open":
      return now < circuit.probeUntil ? circuit.probeUntil : null
  }
}

/** What was under way when the circuit opened opens it no further. */
export const afterFailure = (circuit: Circuit, kind: CircuitKind, now: number, chance: number): Circuit => {
  const failures = circuit.failures + 1
  const state = circuitState(circuit, now)
  if (state === "open" || (state === "closed" && failures < failuresMax[kind])) return { ...circuit, failures }
  return { failures, opens: circuit.opens + 1, openUntil: now + openMs(circuit.opens, chance), probeUntil: 0 }
}
