/** How what another replica is at is waited for, a refresh or a rotation: look by look, somewhat shorter than who asks waits. */
import { Duration } from "effect"

export const lookEvery = Duration.millis(250)
export const looksMax = 64
