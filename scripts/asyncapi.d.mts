/** The types of asyncapi.mjs, for the tests. */
export const file: string
export const render: () => string
