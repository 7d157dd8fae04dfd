/** Colours for people on a terminal. */

import picocolors from 'picocolors'

/**
 * Colour only where a person reads, or where FORCE_COLOR asks for it; NO_COLOR wins over both.
 * Left to itself picocolors also colours whatever runs in a CI, and what was piped to a program there
 * came with escape codes in it.
 */
const wanted = process.stdout.isTTY || Boolean(process.env['FORCE_COLOR'])

export const colours = picocolors.createColors(wanted && !process.env['NO_COLOR'])
