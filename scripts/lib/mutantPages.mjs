/**
 * What the runs of the faults found, as pages: docs/mutants.md, and the last column of docs/requirements.md.
 *
 * The first page is also what is remembered: what this checkout has not tried stands there as it stood.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { checkout } from "./find.mjs"

/** So many faults are named for a requirement; the others are counted. */
const namedMax = 4

const notTried = "not tried"
const survived = "**survived**"

const cell = (text) => text.replaceAll("|", "\\|").replaceAll("\n", " ")

const faultRow = /^\| `([a-z0-9-]+)` \| [^|]* \| ([^|]*) \| (.*) \|$/gmu

/** Of each fault on the page: what it breaks, and by what it was noticed. */
const rowsOf = (page) =>
  new Map([...page.matchAll(faultRow)].map(([, id, breaks, noticed]) => [id, { breaks: breaks.split(" "), noticed }]))

const isKilled = ({ noticed }) => noticed !== notTried && !noticed.startsWith(survived)

const noticedBy = ({ survives }, outcome) => {
  if (outcome.state === "killed") return cell(`${outcome.test.split("#")[0]}: ${outcome.by}`)
  return cell(survives === undefined ? survived : `${survived}: ${survives}`)
}

const table = (catalogue, outcomeOf, earlier) => {
  const rows = catalogue.map((mutant) => {
    const outcome = outcomeOf(mutant)
    const noticed = outcome === undefined ? (earlier.get(mutant.id)?.noticed ?? notTried) : noticedBy(mutant, outcome)
    return { ...mutant, noticed }
  })
  const tried = rows.filter(({ noticed }) => noticed !== notTried)
  const killed = rows.filter(isKilled)
  return `# Faults, and the tests that notice them

Made by \`npm run mutants -- --page\` from what the runs found; do not edit. The catalogue is in \`test/mutants\`, a file for
each room: an exact text, what stands there instead, and which promises and requirements that breaks. A fault is killed when
a test that its entry names fails with it, by an assertion or for want of an answer, and passes without it.

${catalogue.length} faults, ${tried.length} tried: ${killed.length} killed, ${tried.length - killed.length} survived.

| fault | in | breaks | noticed by |
|---|---|---|---|
${rows.map(({ breaks, file, id, noticed }) => `| \`${id}\` | ${file} | ${breaks.join(" ")} | ${noticed} |`).join("\n")}
`
}

const named = (ids) =>
  [
    ...ids.slice(0, namedMax).map((id) => `\`${id}\``),
    ...(ids.length > namedMax ? [`and ${ids.length - namedMax} more`] : [])
  ].join(" ")

const requirementRow = /^\| (R-[A-Z]{3}-\d+) \|(?:[^|]*\|){2}/u

/** The page of requirements with its last column: of the faults that break one, those that a test noticed. */
export const requirementsPage = (page, mutantsPage) => {
  const faults = new Map()
  for (const [id, row] of rowsOf(mutantsPage)) {
    if (isKilled(row)) for (const number of row.breaks) faults.set(number, [...(faults.get(number) ?? []), id])
  }
  return page
    .split("\n")
    .map((line) => {
      const row = requirementRow.exec(line)
      if (row !== null) {
        const ids = faults.get(row[1])
        return `${row[0]} ${ids === undefined ? "**unproven**" : named(ids)} |`
      }
      if (line.startsWith("| number | requirement | source |"))
        return "| number | requirement | source | faults its tests notice |"
      return /^\|---\|---\|---\|(?:---\|)?$/u.test(line) ? "|---|---|---|---|" : line
    })
    .join("\n")
}

const textOf = (path) => (existsSync(path) ? readFileSync(path, "utf8") : "")

/** Ids of the faults that a unit test noticed, says docs/mutants.md. */
export const noticedByUnits = () =>
  new Set(
    [...rowsOf(textOf(join(checkout, "docs", "mutants.md")))].flatMap(([id, { noticed }]) =>
      noticed.startsWith("test/unit/") ? [id] : []
    )
  )

/** Ids of the faults that docs/mutants.md calls survived without a reason, or not tried. */
export const openOnes = (catalogue) => {
  const rows = rowsOf(textOf(join(checkout, "docs", "mutants.md")))
  return new Set(
    catalogue.flatMap(({ id }) => {
      const noticed = rows.get(id)?.noticed ?? notTried
      return noticed === notTried || noticed === survived ? [id] : []
    })
  )
}

/** Writes both pages; `outcomeOf(mutant)` is undefined for what this checkout has not tried. */
export const writePages = (catalogue, outcomeOf) => {
  const mutantsFile = join(checkout, "docs", "mutants.md")
  const requirementsFile = join(checkout, "docs", "requirements.md")
  const mutantsPage = table(catalogue, outcomeOf, rowsOf(textOf(mutantsFile)))
  writeFileSync(mutantsFile, mutantsPage)
  writeFileSync(requirementsFile, requirementsPage(textOf(requirementsFile), mutantsPage))
}
