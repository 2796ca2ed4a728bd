/**
 * The rounds of SipHash-2-4-128 as a WebAssembly program, put together here instruction by instruction.
 *
 * Its one function takes where the padded message ends. It reads key and message from the memory and leaves the
 * result there. Locals: 0 the end, 1 where it reads, 2 to 5 the state `v0` to `v3`, 6 the word just read.
 */

// ---- where things are in the memory, in bytes --------------------------------
export const keyAt = 0
export const resultAt = 16
export const messageAt = 32
/** One page. The program ends with an error when it is to read beyond it. */
const memoryBytes = 0x1_0000

// ---- encoding -----------------------------------------------------------------

type Code = ReadonlyArray<number>

/** LEB128 of a number from 0 on. */
const unsigned = (value: number): Code => (value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)])

/** LEB128 of a number with its sign. */
const signed = (value: bigint): Code => {
  const low = Number(value & 0x7fn)
  const rest = value >> 7n
  const isLast = rest === ((low & 0x40) === 0 ? 0n : -1n)
  return isLast ? [low] : [low | 0x80, ...signed(rest)]
}

const section = (id: number, content: Code): Code => [id, ...unsigned(content.length), ...content]

// ---- instructions ---------------------------------------------------------------

const [i32, i64, nothing] = [0x7f, 0x7e, 0x40]
const get = (local: number): Code => [0x20, local]
const set = (local: number): Code => [0x21, local]
const tee = (local: number): Code => [0x22, local]
const small = (value: number): Code => [0x41, ...signed(BigInt(value))]
const big = (value: bigint): Code => [0x42, ...signed(BigInt.asIntN(64, value))]
const [add, xor, rotateLeft, smallAdd, isBelow] = [0x7c, 0x85, 0x89, 0x6a, 0x49]
const eightAligned = 3
const loadAt = (offset: number): Code => [0x29, eightAligned, offset]
const storeAt = (offset: number): Code => [0x37, eightAligned, offset]
const [loop, repeatIf, end] = [0x03, 0x0d, 0x0b]

// ---- the function -----------------------------------------------------------------

const [endOfMessage, at, word] = [0, 1, 6]
const v = (number: number): number => number + 2

/** v[a] += v[b]; v[b] = (v[b] <<< by) ^ v[a] */
const mix = (a: number, b: number, by: bigint): Code => [
  ...[...get(v(a)), ...get(v(b)), add, ...set(v(a))],
  ...[...get(v(b)), ...big(by), rotateLeft, ...get(v(a)), xor, ...set(v(b))]
]
const swapHalves = (a: number): Code => [...get(v(a)), ...big(32n), rotateLeft, ...set(v(a))]
const round: Code = [
  ...[...mix(0, 1, 13n), ...swapHalves(0), ...mix(2, 3, 16n)],
  ...[...mix(0, 3, 21n), ...mix(2, 1, 17n), ...swapHalves(2)]
]
const rounds = (times: number): Code => Array.from({ length: times }, () => round).flat()

const begin = (a: number, keyHalf: number, constant: bigint): Code => [
  ...[...small(keyAt), ...loadAt(keyHalf), ...big(constant), xor, ...set(v(a))]
]
const into = (a: number, value: Code): Code => [...get(v(a)), ...value, xor, ...set(v(a))]
const give = (offset: number): Code => [
  ...[...small(resultAt), ...get(v(0)), ...get(v(1)), xor, ...get(v(2)), xor, ...get(v(3)), xor, ...storeAt(offset)]
]

const body: Code = [
  ...begin(0, 0, 0x736f6d6570736575n),
  ...begin(1, 8, 0x646f72616e646f6dn ^ 0xeen),
  ...begin(2, 0, 0x6c7967656e657261n),
  ...begin(3, 8, 0x7465646279746573n),
  ...[...small(messageAt), ...set(at)],
  ...[loop, nothing],
  ...[...get(at), ...loadAt(0), ...set(word)],
  ...[...into(3, get(word)), ...rounds(2), ...into(0, get(word))],
  ...[...get(at), ...small(8), smallAdd, ...tee(at), ...get(endOfMessage), isBelow, repeatIf, 0],
  end,
  ...[...into(2, big(0xeen)), ...rounds(4), ...give(0)],
  ...[...into(1, big(0xddn)), ...rounds(4), ...give(8)],
  end
]

const locals: Code = [2, 1, i32, 5, i64]
const named = (name: string, kind: number): Code => [name.length, ...Buffer.from(name), kind, 0]
const [aFunction, aMemory] = [0, 2]
const functionType: Code = [0x60, 1, i32, 0]

const program = Uint8Array.from([
  ...[...Buffer.from("\0asm"), 1, 0, 0, 0],
  ...section(1, [1, ...functionType]),
  ...section(3, [1, 0]),
  ...section(5, [1, 0, memoryBytes / 0x1_0000]),
  ...section(7, [2, ...named("memory", aMemory), ...named("run", aFunction)]),
  ...section(10, [1, ...unsigned(locals.length + body.length), ...locals, ...body])
])

interface Loaded {
  readonly memory: { readonly buffer: ArrayBuffer }
  readonly run: (end: number) => void
}

/** What is used of it; the types of Node leave it to the browser's. */
declare const WebAssembly: {
  readonly Module: new (program: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: object }
}

/** The program with a memory of its own. */
export const load = (): { readonly memory: ArrayBuffer; readonly run: (end: number) => void } => {
  const { memory, run } = new WebAssembly.Instance(new WebAssembly.Module(program)).exports as Loaded
  return { memory: memory.buffer, run }
}
