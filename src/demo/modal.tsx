import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Icon } from './icons.tsx';

export interface ModalProps {
  /** Its heading, and its accessible name. */
  readonly title: string;
  /** `sheet` comes from the right side, `drawer` from the left; `box` stands in the middle. */
  readonly shape: 'sheet' | 'drawer' | 'box';
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

/**
 * A real <dialog>, modal for as long as it is rendered: the browser keeps the focus inside, makes the rest inert, closes it
 * with Esc and gives the focus back.
 */
export function Modal({ title, shape, onClose, children }: ModalProps): ComponentChildren {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    // Taken out while it is open it would not give the focus back.
    return () => element?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      class={`modal modal-${shape}`}
      aria-label={title}
      onClose={onClose}
      onPointerDown={(event) => {
        // The dialog's own box is filled by its content: what is pressed is the backdrop.
        if (event.target === event.currentTarget) dialog.current?.close();
      }}
    >
      <div class="modal-content">
        <header class="modal-head">
          <h2>{title}</h2>
          <button
            type="button"
            class="icon-button"
            aria-label="Close"
            onClick={() => dialog.current?.close()}
          >
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
