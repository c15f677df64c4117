/** The model that comes with the page. To ship another one, put its files into public/models/ and change this constant. */
export const EMBEDDED_MODEL = {
  /** Folder, relative to the page, so that the site works from any sub-path. */
  path: './models/tiny-chat/',
  name: 'tiny-chat',
  about:
    '22.6 M parameters in 15.6 MB. Fluent on everyday subjects, and often wrong: names, numbers and facts are invented.',
  /** What it is able to answer. */
  prompts: [
    'Hello! How are you doing?',
    'Tell me a short story about a cat and a boat.',
    'Explain gravity in simple words.',
    'What should I do on a rainy day?',
  ],
} as const;
