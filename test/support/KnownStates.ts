/**
 * The states of a model with two processes that a walk has reached. Two states are one where JSON says the same of both,
 * or would if the processes had changed places and names. What each of the two may do the other one may as well, so what
 * follows from one of them follows from the other, and half as many are walked. That a model's processes are alike is for
 * its test to show (`likeness.ts`).
 *
 * A step leaves most of a state as it was: of that the hashes of before are taken.
 */
import { HashSet, hashInto } from "./HashSet.ts"

export interface Pair {
  readonly processes: readonly [unknown, unknown]
}

/**
 * Four numbers for each part of a state: its hash with its place, and the one under changed names and places. Behind them
 * four for the state: of each kind all hashes, one upon the other, so that a step changes them by what it changes.
 */
export type Parts = Int32Array

const numbers = new Int32Array(4_096)
/** Where among those a process is named. */
const namedAt: Array<number> = []
const texts = new Map<string, number>()

const numberOf = (text: string): number => {
  const known = texts.get(text)
  if (known !== undefined) return known
  texts.set(text, texts.size)
  return texts.size - 1
}

export class KnownStates<State extends Pair> {
  readonly #known = new HashSet()
  readonly #keys: ReadonlyArray<keyof State & string>
  readonly #one: number
  readonly #other: number
  /** Of the state that is looked at. */
  readonly #parts: Parts
  readonly #hashes = new Int32Array(4)

  /** `names`: what the two processes are called, in whatever a state says of them. */
  constructor(first: State, names: readonly [string, string]) {
    this.#keys = (Object.keys(first) as Array<keyof State & string>).filter((key) => key !== "processes")
    this.#one = numberOf(names[0])
    this.#other = numberOf(names[1])
    this.#parts = new Int32Array(4 * (this.#keys.length + 3))
  }

  get size(): number {
    return this.#known.size
  }

  /** The parts of `state`, for what comes of it; null where it was known. `former`: what it came of. */
  add(state: State, former?: readonly [state: State, parts: Parts]): Parts | null {
    const parts = this.#parts
    const keys = this.#keys
    if (former === undefined) parts.fill(0)
    else parts.set(former[1])
    let part = 0
    for (const key in state) {
      if (key === "processes") continue
      if (key !== keys[part]) throw new Error("a state has other fields than the first one")
      const value = state[key]
      if (former === undefined || former[0][key] !== value) this.#put(value, part, part, part)
      part++
    }
    if (part !== keys.length) throw new Error("a state has other fields than the first one")
    for (let at = 0; at < 2; at++) {
      const process = state.processes[at]
      if (former === undefined || former[0].processes[at] !== process)
        this.#put(process, part + at, part + at, part + 1 - at)
    }
    const ofState = parts.length - 4
    const [one, other] = [parts[ofState]!, parts[ofState + 2]!]
    const isFirst = one < other || (one === other && parts[ofState + 1]! <= parts[ofState + 3]!)
    const from = isFirst ? ofState : ofState + 2
    return this.#known.addHash(parts[from]!, parts[from + 1]!) ? parts.slice() : null
  }

  /** A part of the state and what it makes of the state: at its place, and at the one that it has with places changed. */
  #put(value: unknown, part: number, place: number, turnedPlace: number): void {
    const parts = this.#parts
    const hashes = this.#hashes
    namedAt.length = 0
    const length = this.#write(value, 1)
    if (length > numbers.length) throw new Error("a state is too large")
    numbers[0] = place
    hashInto(hashes, 0, numbers, length)
    if (namedAt.length === 0 && place === turnedPlace) {
      hashes[2] = hashes[0]!
      hashes[3] = hashes[1]!
    } else {
      for (const at of namedAt) numbers[at] = numbers[at] === this.#one ? this.#other : this.#one
      numbers[0] = turnedPlace
      hashInto(hashes, 2, numbers, length)
    }
    const ofState = parts.length - 4
    for (let at = 0; at < 4; at++) {
      parts[ofState + at]! ^= parts[4 * part + at]! ^ hashes[at]!
      parts[4 * part + at] = hashes[at]!
    }
  }

  /** Writes `value` behind `from`, and returns where that ends. */
  #write(value: unknown, from: number): number {
    let at = from
    switch (typeof value) {
      case "number":
        numbers[at++] = 1
        numbers[at++] = value
        numbers[at++] = value / 4294967296
        return at
      case "string": {
        const number = numberOf(value)
        numbers[at++] = 2
        if (number === this.#one || number === this.#other) namedAt.push(at)
        numbers[at++] = number
        return at
      }
      case "boolean":
        numbers[at++] = value ? 3 : 4
        return at
      case "object": {
        if (value === null) {
          numbers[at++] = 5
          return at
        }
        if (Array.isArray(value)) {
          numbers[at++] = 6
          for (let index = 0; index < value.length; index++) at = this.#write(value[index], at)
        } else {
          numbers[at++] = 7
          for (const key in value) {
            const part: unknown = (value as Readonly<Record<string, unknown>>)[key]
            if (part === undefined) continue
            numbers[at++] = numberOf(key)
            at = this.#write(part, at)
          }
        }
        numbers[at++] = 8
        return at
      }
      default:
        throw new Error(`a state has a ${typeof value}`)
    }
  }
}
