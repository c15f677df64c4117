import type { ComponentChildren } from 'preact';
import { CopyButton as Button } from '../copy_button.tsx';
import type { CopyButtonProps } from '../copy_button.tsx';
import { useChat } from './chat_context.ts';

export function CopyButton(props: Omit<CopyButtonProps, 'announce'>): ComponentChildren {
  const { notices } = useChat();
  return <Button {...props} announce={(said) => notices.announce(said)} />;
}
