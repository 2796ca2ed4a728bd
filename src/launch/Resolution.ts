/**
 * Loaded before `main.ts` (`node --import ./src/launch/Resolution.ts src/main.ts`): says where its modules are, so that Node need not
 * look. For each of four thousand imports Node reads the scope of a package, parses what it exports, asks the file system whether the file
 * is there and what it is a link to: a third of what loading takes.
 *
 * A relative import of our source, or of `effect`, is the file that it says; a package is where it was for the first module that asked.
 * Everything else is Node's, and nothing is loaded otherwise than without this: where a file is missing, its reading says so.
 */
import { type ResolveFnOutput, registerHooks } from "node:module"

const source = new URL("..", import.meta.url).href
const effect = "/node_modules/effect/dist/"
const packages = new Map<string, ResolveFnOutput>()

const isRelative = (specifier: string): boolean => specifier.startsWith("./") || specifier.startsWith("../")

registerHooks({
  resolve: (specifier, context, next) => {
    const { parentURL = "" } = context
    const isOurs = parentURL.startsWith(source)
    if (isRelative(specifier)) {
      const format = isOurs && specifier.endsWith(".ts") ? "module-typescript" : "module"
      if (format === "module-typescript" || (parentURL.includes(effect) && specifier.endsWith(".js"))) {
        return { url: new URL(specifier, parentURL).href, format, shortCircuit: true }
      }
      return next(specifier, context)
    }
    if (!isOurs) return next(specifier, context)
    const known = packages.get(specifier)
    if (known !== undefined) return known
    const found = { ...next(specifier, context), shortCircuit: true }
    packages.set(specifier, found)
    return found
  }
})
