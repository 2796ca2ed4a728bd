/** The room `access`: who asks, and what they may. */
import { Layer } from "effect"
import { AccessConfig } from "./AccessConfig.ts"
import * as IssuerClient from "./IssuerClient.ts"
import { Verifier } from "./Verifier.ts"

export const settings = AccessConfig.layer
export const layer = Verifier.layer.pipe(Layer.provide(IssuerClient.layer))
