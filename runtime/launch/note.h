/* note.h - what goes through the inherited line of a local child. First its
 * cookie; then
 *
 *   to the manager: kind u8, call id u64, text up to the end; what it says of
 *   its own end
 *
 *   to the child: kind u8, with a descriptor: its bulk stream; or what
 *   runtime/bulk/segment.h says
 */
#ifndef MST_NOTE_H
#define MST_NOTE_H

#define MST_NOTE_HANDLER 'H' /* it was in this handler, in that call */
#define MST_NOTE_WHY 'W'     /* one sentence                         */
#define MST_NOTE_BYTES 320
#define MST_LINE_STREAM 'S'

#endif
