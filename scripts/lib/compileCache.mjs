/**
 * Where Node keeps the compiled modules of what runs from this checkout. They are known by their paths and texts, so all runs
 * share one folder, and services, tests and tools share what they load alike.
 */
import { join } from "node:path"
import { checkout } from "./find.mjs"

export const compileCache = join(checkout, ".local", "compile-cache")
