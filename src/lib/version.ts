/** The package's, which an agent in one file cannot look up. */
export const VERSION = '0.1.0'
