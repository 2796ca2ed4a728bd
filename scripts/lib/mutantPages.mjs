/**
 * What the last run of the faults found, as pages: docs/mutants.md, and the last column of docs/requirements.md.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { checkout } from "./find.mjs"

const cell = (text) => text.replaceAll("|", "\\|").replaceAll("\n", " ")

/** `R-TOK-1` → ids of the faults that its tests kill. */
export const faultsByRequirement = (catalogue) => {
  const found = new Map()
  for (const { breaks, id, survives } of catalogue) {
    if (survives !== undefined) continue
    for (const number of breaks) found.set(number, [...(found.get(number) ?? []), id])
  }
  return found
}

const rowPattern = /^\| (R-[A-Z]{3}-\d+) \|(?:[^|]*\|){2}/u

/** The page of requirements with its last column: the faults that the tests of a requirement kill. */
export const requirementsPage = (page, catalogue) => {
  const faults = faultsByRequirement(catalogue)
  return page
    .split("\n")
    .map((line) => {
      const row = rowPattern.exec(line)
      if (row !== null) {
        const ids = faults.get(row[1])
        return `${row[0]} ${ids === undefined ? "**unproven**" : ids.map((id) => `\`${id}\``).join(" ")} |`
      }
      if (line.startsWith("| number | requirement | source |"))
        return "| number | requirement | source | faults that its tests notice |"
      return /^\|---\|---\|---\|(?:---\|)?$/u.test(line) ? "|---|---|---|---|" : line
    })
    .join("\n")
}

const row = (mutant, outcome) => {
  const { breaks, file, id, survives } = mutant
  const found =
    outcome?.state === "killed"
      ? `${outcome.test.split("#")[0]}: ${outcome.by}`
      : `**survived**${survives === undefined ? "" : `: ${survives}`}`
  return `| \`${id}\` | ${file} | ${breaks.join(" ")} | ${cell(outcome === undefined ? "not tried" : found)} |`
}

const table = (catalogue, outcomes) => {
  const of = (state) => [...outcomes.values()].filter((outcome) => outcome.state === state).length
  const date = new Date().toISOString().slice(0, 10)
  return `# Faults, and the tests that notice them

Made by \`npm run mutants -- --page\` from the last run (${date}); do not edit. The catalogue is in \`test/mutants\`, one file for
each room: an exact text, what stands there instead, what that breaks. A fault is killed when a test that its entry names
fails with it and passes without it.

${of("killed")} of ${catalogue.length} killed, ${of("survived")} survived.

| fault | in | breaks | noticed by |
|---|---|---|---|
${catalogue.map((mutant) => row(mutant, outcomes.get(mutant))).join("\n")}
`
}

export const writePages = (catalogue, outcomes) => {
  writeFileSync(join(checkout, "docs", "mutants.md"), table(catalogue, outcomes))
  const page = join(checkout, "docs", "requirements.md")
  if (existsSync(page)) writeFileSync(page, requirementsPage(readFileSync(page, "utf8"), catalogue))
}
