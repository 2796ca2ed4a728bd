/** The safeguards of grants that `npm run grants -- --mutant=NAME` takes away are there to be taken away. */
import { it } from "vitest"
import { grantMutants, makeGrantMutant } from "../chaos/grants/mutants.ts"

it.each(Object.values(grantMutants))("$name: each of its texts stands in the source, once", (mutant) => {
  makeGrantMutant(mutant).remove()
})
