/**
 * The room `crypto`: the master key, the keyring on it, and what is made with its keys.
 *
 * The keyring comes first: it checks the master key and writes down its fingerprint, before anything
 * makes a key.
 */
import { Layer } from "effect"
import * as AuditSigner from "./AuditSigner.ts"
import * as ChosenMasterKey from "./ChosenMasterKey.ts"
import { CryptoConfig } from "./CryptoConfig.ts"
import { CurveBox } from "./CurveBox.ts"
import * as KeyMover from "./KeyMover.ts"
import * as KeyRotation from "./KeyRotation.ts"
import * as LiveKeyring from "./LiveKeyring.ts"
import * as LiveTenantKeys from "./LiveTenantKeys.ts"
import { Password } from "./Password.ts"
import * as ReplicaSeal from "./ReplicaSeal.ts"
import * as RowAdoption from "./RowAdoption.ts"

export const settings = CryptoConfig.layer
export const layer = Layer.mergeAll(
  LiveTenantKeys.layer,
  KeyRotation.layer.pipe(Layer.provideMerge(AuditSigner.layer)),
  CurveBox.layer,
  ReplicaSeal.layer,
  RowAdoption.layer,
  Password.layer
).pipe(Layer.provideMerge(LiveKeyring.layer), Layer.provideMerge(ChosenMasterKey.layer))
/** Moves rows to the newest keys, while everything runs. */
export const background = KeyMover.layer
