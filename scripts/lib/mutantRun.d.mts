/** The files of which vitest's report says that all of their tests passed, and the milliseconds within which each does. */
export declare const passedFiles: (reportFile: string) => ReadonlyMap<string, number>
