/** The room `actors/platform`: what Tekton and the Tenant Manager say, carried out. */
import { Layer } from "effect"
import { PlatformConfig } from "../../platform/PlatformConfig.ts"
import { Tekton } from "../../platform/Tekton.ts"
import { TenantManager } from "../../platform/TenantManager.ts"
import * as LivePlatform from "./LivePlatform.ts"

export const settings = PlatformConfig.layer
export const layer = LivePlatform.layer.pipe(Layer.provide([Tekton.layer, TenantManager.layer]))
