/* channel.h - the calls of rank 0 that channels are made of.
 *
 *   MST_CHANNEL_OPEN    capacity u32, name    empty result
 *   MST_CHANNEL_PUT     name, NUL, item       empty result
 *   MST_CHANNEL_TAKE    name                  the item
 *   MST_CHANNEL_CLOSE   name                  empty result
 */
#ifndef MST_CHANNEL_H
#define MST_CHANNEL_H

#define MST_CHANNEL "muster.channel."
#define MST_CHANNEL_OPEN "muster.channel.open"
#define MST_CHANNEL_PUT "muster.channel.put"
#define MST_CHANNEL_TAKE "muster.channel.take"
#define MST_CHANNEL_CLOSE "muster.channel.close"
#define MST_CHANNEL_NAME 255u

#endif
