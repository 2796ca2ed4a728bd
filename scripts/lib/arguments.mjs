/**
 * What a command was called with, the same for every command of `scripts/`.
 *
 * `--help` prints how it is called and the comment that its file begins with, and ends with 0. What a command does not
 * know is one line and exit code 2, before anything is begun.
 */
import { readFileSync } from "node:fs"
import { parseArgs } from "node:util"

/** The comment that a file begins with, as text. */
const aboutOf = (file) => {
  const [, comment] = /^\/\*\*\n([\s\S]*?)\n \*\//u.exec(readFileSync(file, "utf8"))
  return comment.replace(/^ \* ?/gmu, "")
}

const usageOf = ({ call, operands, options }) => {
  const more = Object.entries(options)
    .filter(([name]) => !operands.shown.includes(`--${name}`))
    .map(([name, { type }]) => (type === "boolean" ? `[--${name}]` : `[--${name}=…]`))
  return ["usage:", call, operands.shown, ...more].filter((part) => part !== "").join(" ")
}

/**
 * The `values` of its options and its `operands`, as `parseArgs` of Node reads them; `misused` ends it for what is wrong
 * with one of them. `file`: the command's own, an absolute path; `call`: how a person calls it.
 */
export const argumentsOf = (
  file,
  { call, operands = { shown: "", least: 0, most: 0 }, options = {} },
  args = process.argv.slice(2)
) => {
  const usage = usageOf({ call, operands, options })
  const misused = (what) => {
    process.stderr.write(`${what}; ${usage}\n`)
    process.exit(2)
  }
  const read = () => {
    const all = { ...options, help: { type: "boolean", short: "h" } }
    try {
      return parseArgs({ args, allowPositionals: true, options: all })
    } catch ({ message }) {
      // Its first sentence names the option; what follows explains the parser.
      return misused(message.split(/\. |\n/u, 1)[0])
    }
  }
  const { positionals, values } = read()
  const { help, ...given } = values
  if (help === true) {
    process.stdout.write(`${usage}\n\n${aboutOf(file)}\n`)
    process.exit(0)
  }
  if (positionals.length > operands.most) misused(`no such argument: ${positionals[operands.most]}`)
  if (positionals.length < operands.least) misused("an argument is missing")
  return { values: given, operands: positionals, misused }
}
