/* note.h - what a worker says of its own end, through the inherited line.
 *
 *   kind u8, call id u64, text up to the end
 */
#ifndef MST_NOTE_H
#define MST_NOTE_H

#define MST_NOTE_HANDLER 'H' /* it was in this handler, in that call */
#define MST_NOTE_WHY 'W'     /* one sentence                         */
#define MST_NOTE_BYTES 320

#endif
