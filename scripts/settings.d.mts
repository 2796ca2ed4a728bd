/** The types of settings.mjs, for its test. */
export const settingsPage: () => Promise<string>
