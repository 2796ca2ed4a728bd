/** The statuses that tokens and client credentials have. */
export const tokenStates = ["Inactive", "Active", "Suspended", "Revoked"] as const
