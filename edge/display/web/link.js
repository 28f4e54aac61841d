// A connection to the program, for one source: its states, and images one at a time.

const RETRY = 2000;  // milliseconds

// A query with the name of a source, "" for the only one.
export const queryOf = source => source ? `?source=${encodeURIComponent(source)}` : "";

export class Link {
  // `on` has what is called: start(info), state(state), image(blob), which may be
  // async, and lost(ended, opened): whether the program has said that it ends, and
  // whether there was a connection. Images come while the page is visible, if `wanted`.
  constructor(source, on, wanted = true) {
    Object.assign(this, {source, on, wanted, requested: false, ended: false, closed: false});
    this.wake = () => this.next();
    document.addEventListener("visibilitychange", this.wake);
    this.connect();
  }

  connect() {
    const address = new URL(`link${queryOf(this.source)}`, location);
    address.protocol = address.protocol.replace("http", "ws");
    this.socket = new WebSocket(address);
    this.opened = false;
    this.socket.onopen = () => { this.opened = true; };
    this.socket.onmessage = ({data}) => this.take(data);
    this.socket.onclose = () => {
      if (this.closed) return;
      this.on.lost?.(this.ended, this.opened);
      if (this.closed) return;
      this.timer = setTimeout(() => this.connect(), RETRY);
    };
  }

  async take(data) {
    if (this.closed) return;
    if (data instanceof Blob) {
      await this.on.image(data);
      this.requested = false;
      return this.next();
    }
    const message = JSON.parse(data);
    if (message.ended) {
      this.ended = true;
      return this.socket.close();
    }
    if (message.classes) {
      this.ended = this.requested = false;
      this.on.start?.(message);
      if (this.closed) return;  // another source was chosen
      this.next();
    }
    this.on.state(message);
  }

  send(change) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(change);
  }

  set(change) {
    this.send(JSON.stringify(change));
  }

  // One image is requested at a time; a hidden page requests none.
  next() {
    if (!this.wanted || this.requested || this.closed || document.hidden) return;
    this.requested = true;
    this.send("next");
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.wake);
    this.socket.close();
  }
}

// Shows a JPEG in an image element.
export async function showImage(image, blob) {
  const old = image.src;
  image.src = URL.createObjectURL(blob);
  await image.decode().catch(() => {});
  if (old) URL.revokeObjectURL(old);
}
