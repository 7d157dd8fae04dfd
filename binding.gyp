# The same addon as CMakeLists.txt builds, for those who have node-gyp and no CMake: `npm run build:gyp`.
{
  'variables': {
    'onednn%': '<!(node cmake/gyp-lists.mjs onednn)',
  },
  'targets': [
    {
      'target_name': 'sentinode',
      'sources': ['<!@(node cmake/gyp-lists.mjs sources)'],
      'include_dirs': [
        'native',
        '<!(node cmake/gyp-lists.mjs include)',
        "<!(node -p \"require('node-addon-api').include_dir\")",
      ],
      'defines': ['NAPI_VERSION=8', 'ORT_API_MANUAL_INIT'],
      'cflags!': ['-fno-exceptions'],
      'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=gnu++20'],
      'cflags_cc': [
        '-std=c++17',
        '-O3',
        '-fopenmp',
        '-fstack-protector-strong',
        '-U_FORTIFY_SOURCE',
        '-D_FORTIFY_SOURCE=2',
        '-fvisibility=hidden',
        '-fvisibility-inlines-hidden',
        '-Wall',
        '-Wextra',
      ],
      'ldflags': [
        '-fopenmp',
        '-Wl,-z,nodelete',
        '-Wl,--exclude-libs,ALL',
        '-Wl,-z,relro',
        '-Wl,-z,now',
        '-Wl,-z,noexecstack',
      ],
      'libraries': ['-ldl', '-lgomp'],
      'conditions': [
        ['onednn==1', {'defines': ['SENTINODE_HAVE_ONEDNN'], 'libraries': ['-ldnnl']}],
      ],
    },
    {
      'target_name': 'sentinode_apart',
      'sources': ['<!@(node cmake/gyp-lists.mjs apart)'],
      'include_dirs': ['native', "<!(node -p \"require('node-addon-api').include_dir\")"],
      'cflags!': ['-fno-exceptions'],
      'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=gnu++20'],
      'cflags_cc': ['-std=c++17', '-O3', '-fvisibility=hidden', '-Wall', '-Wextra'],
    },
    {
      'target_name': 'sentinode_launch',
      'type': 'executable',
      'sources': ['<!@(node cmake/gyp-lists.mjs launch)'],
      'include_dirs': ['native'],
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
      'cflags_cc': ['-std=c++17', '-O3', '-Wall', '-Wextra'],
    },
  ],
}
