import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

const api = process.env.TRIGRUN_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  // Assets are addressed relative to <base>, which the server writes.
  base: './',
  plugins: [react()],
  build: {
    target: ['chrome125', 'firefox128', 'safari17.5'],
    manifest: 'manifest.json',
    // dist/.gitignore keeps the directory in the repository; package.json empties the rest.
    emptyOutDir: false,
    // A data: URL in a style sheet needs a wider policy than files of our own.
    assetsInlineLimit: 0,
    sourcemap: false,
    modulePreload: { polyfill: false },
  },
  server: {
    host: 'localhost',
    port: Number(process.env.PORT ?? 5173),
    strictPort: true,
    proxy: {
      '/v1': {
        target: api,
        // The API takes a cookie only from a page whose origin is the Host of the request.
        changeOrigin: false,
      },
    },
  },
  test: {
    include: ['test/**/*.test.{ts,tsx}'],
    environment: 'node',
    // Properties take their time on a machine that compiles beside them.
    testTimeout: 60_000,
  },
});
