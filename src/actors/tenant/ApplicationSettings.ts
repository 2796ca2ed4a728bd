/**
 * How each application's tokens are made, in this replica's memory. `actors/platform` keeps it equal to
 * what Tekton configured; without that every application has the defaults.
 */
import { Context, Effect, Layer } from "effect"
import { defaultTokenSettings, type TokenSettings } from "../../domain/PlatformSettings.ts"

export interface ApplicationSettingsShape {
  readonly of: (appName: string) => TokenSettings
  readonly set: (appName: string, settings: TokenSettings) => void
}

const none: ApplicationSettingsShape = { of: () => defaultTokenSettings, set: () => {} }

export const ApplicationSettings = Context.Reference<ApplicationSettingsShape>("cm/actors/ApplicationSettings", {
  defaultValue: () => none
})

export const layer = Layer.effect(
  ApplicationSettings,
  Effect.sync((): ApplicationSettingsShape => {
    const known = new Map<string, TokenSettings>()
    return {
      of: (appName) => known.get(appName) ?? defaultTokenSettings,
      set: (appName, settings) => {
        if (settings.length === null && settings.alphabet === null && settings.defaultLifetimeMs === null) {
          known.delete(appName)
        } else known.set(appName, settings)
      }
    }
  })
)
