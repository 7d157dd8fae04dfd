import { MessageChannel } from 'node:worker_threads'

const nowhere = new MessageChannel().port1
nowhere.close()

/**
 * Gives a buffer's memory back at once and not when garbage is next collected: an exam's pixels are hundreds
 * of megabytes, and the next exam would find them still there. A transfer detaches the buffer even where the
 * message goes nowhere (HTML, 9.4.4, message port post message steps), and a closed port keeps nothing.
 * Idempotent: since Node 22 a transfer of what is detached already throws a DataCloneError.
 * @param view of an ArrayBuffer that is its own; every view of it is empty afterwards
 */
export function releaseMemory({ buffer }: ArrayBufferView): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength > 0) nowhere.postMessage(null, [buffer])
}
