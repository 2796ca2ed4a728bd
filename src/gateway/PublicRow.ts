/** A row that needs no bearer token and no tenant. */
import type { Effect } from "effect"
import type { Problem } from "./Problem.ts"
import type { HttpAnswer } from "./Row.ts"

export interface PublicRow {
  readonly method: "GET"
  readonly path: string
  readonly about: string
  readonly serve: Effect.Effect<HttpAnswer, Problem>
}
