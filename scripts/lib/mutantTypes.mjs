/**
 * Whether faults type: one that the compiler refuses is no fault that a test has to notice.
 *
 * All faults of a file that do not overlap are put in at once, so that few runs of the compiler do for the whole
 * catalogue; what does not type together is tried alone.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { makeCopy } from "./mutantCopy.mjs"
import { capture } from "./parts.mjs"

const limitMs = 10 * 60_000

const isTyped = ({ file }) => file.endsWith(".ts")

const startOf = (text, { from }) => text.indexOf(from)

/** The text with several faults in it; they do not overlap. */
const withAll = (text, mutants) =>
  [...mutants]
    .sort((a, b) => startOf(text, b) - startOf(text, a))
    .reduce((whole, mutant) => {
      const at = startOf(text, mutant)
      return whole.slice(0, at) + mutant.to + whole.slice(at + mutant.from.length)
    }, text)

const overlaps = (text, a, b) =>
  startOf(text, a) < startOf(text, b) + b.from.length && startOf(text, b) < startOf(text, a) + a.from.length

/** Layers of faults of which no two overlap; with `alone`, no two stand in one file. */
const layersOf = (mutants, textOf, alone) => {
  const layers = []
  for (const mutant of mutants) {
    const fits = (layer) =>
      !layer.some((other) => other.file === mutant.file && (alone || overlaps(textOf(mutant.file), other, mutant)))
    const layer = layers.find(fits)
    if (layer === undefined) layers.push([mutant])
    else layer.push(mutant)
  }
  return layers
}

/** The compiler's errors by file, with these faults in. */
const errorsOf = async (copy, layer, textOf) => {
  const files = [...new Set(layer.map(({ file }) => file))]
  for (const file of files) {
    const inFile = layer.filter((mutant) => mutant.file === file)
    writeFileSync(join(copy.path, file), withAll(textOf(file), inFile))
  }
  const bin = join(copy.path, "node_modules", ".bin")
  const { output } = await capture(join(bin, "node"), [join(bin, "tsc"), "--noEmit", "--pretty", "false", "-p", "."], {
    cwd: copy.path,
    limitMs
  })
  for (const file of files) writeFileSync(join(copy.path, file), textOf(file))
  return [...output.matchAll(/^(\S+\.m?ts)\(\d+,\d+\): (.*)$/gmu)].map(([, file, error]) => ({ file, error }))
}

/** Ids of the faults that do not type, with what the compiler says. */
export const untyped = async (mutants) => {
  const copy = makeCopy()
  const texts = new Map()
  const textOf = (file) => {
    if (!texts.has(file)) texts.set(file, readFileSync(join(copy.path, file), "utf8"))
    return texts.get(file)
  }
  const found = new Map()
  const suspects = new Set()
  for (const layer of layersOf(mutants.filter(isTyped), textOf, false)) {
    const errors = await errorsOf(copy, layer, textOf)
    const inLayer = errors.some(({ file }) => !layer.some((mutant) => mutant.file === file))
      ? layer
      : layer.filter((mutant) => errors.some(({ file }) => file === mutant.file))
    for (const mutant of inLayer) suspects.add(mutant)
  }
  for (const layer of layersOf([...suspects], textOf, true)) {
    const errors = await errorsOf(copy, layer, textOf)
    for (const mutant of layer) {
      const own = errors.filter(({ file }) => file === mutant.file)
      if (own.length > 0) found.set(mutant.id, own[0].error)
    }
    for (const { error, file } of errors.filter((one) => !layer.some((mutant) => mutant.file === one.file))) {
      found.set(`one of ${layer.map(({ id }) => id).join(", ")}`, `${file}: ${error}`)
    }
  }
  copy.remove()
  return found
}
