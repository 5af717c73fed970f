{
 "patcher": {
  "fileversion": 1,
  "appversion": {
   "major": 8,
   "minor": 5,
   "revision": 0,
   "architecture": "x64",
   "modernui": 1
  },
  "classnamespace": "box",
  "rect": [
   80.0,
   80.0,
   680.0,
   480.0
  ],
  "boxes": [
   {
    "box": {
     "id": "title",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      20,
      15,
      620,
      22
     ],
     "text": "Play a timbre space: timbre export orchestra --to nn~ -o orchestra.ts, and put orchestra.ts into Max's search path."
    }
   },
   {
    "box": {
     "id": "midi",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 3,
     "patching_rect": [
      20,
      60,
      60,
      22
     ],
     "text": "notein",
     "outlettype": [
      "",
      "",
      ""
     ]
    }
   },
   {
    "box": {
     "id": "kb",
     "maxclass": "kslider",
     "numinlets": 2,
     "numoutlets": 2,
     "patching_rect": [
      20,
      90,
      336,
      53
     ],
     "outlettype": [
      "",
      ""
     ]
    }
   },
   {
    "box": {
     "id": "div",
     "maxclass": "newobj",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      220,
      160,
      60,
      22
     ],
     "text": "/ 127.",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "pitch",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      20,
      200,
      60,
      22
     ],
     "text": "sig~",
     "outlettype": [
      "signal"
     ]
    }
   },
   {
    "box": {
     "id": "vel",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      120,
      200,
      60,
      22
     ],
     "text": "sig~",
     "outlettype": [
      "signal"
     ]
    }
   },
   {
    "box": {
     "id": "xl",
     "maxclass": "flonum",
     "numinlets": 1,
     "numoutlets": 2,
     "patching_rect": [
      320,
      170,
      60,
      22
     ],
     "outlettype": [
      "",
      ""
     ]
    }
   },
   {
    "box": {
     "id": "yl",
     "maxclass": "flonum",
     "numinlets": 1,
     "numoutlets": 2,
     "patching_rect": [
      420,
      170,
      60,
      22
     ],
     "outlettype": [
      "",
      ""
     ]
    }
   },
   {
    "box": {
     "id": "xs",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      320,
      200,
      60,
      22
     ],
     "text": "sig~",
     "outlettype": [
      "signal"
     ]
    }
   },
   {
    "box": {
     "id": "ys",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      420,
      200,
      60,
      22
     ],
     "text": "sig~",
     "outlettype": [
      "signal"
     ]
    }
   },
   {
    "box": {
     "id": "xc",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      320,
      145,
      100,
      22
     ],
     "text": "map x, -1 to 1"
    }
   },
   {
    "box": {
     "id": "yc",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      420,
      145,
      100,
      22
     ],
     "text": "map y, -1 to 1"
    }
   },
   {
    "box": {
     "id": "nn",
     "maxclass": "newobj",
     "numinlets": 4,
     "numoutlets": 1,
     "patching_rect": [
      20,
      250,
      400,
      22
     ],
     "text": "nn~ orchestra.ts play_map 1024",
     "outlettype": [
      "signal"
     ]
    }
   },
   {
    "box": {
     "id": "hold",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      460,
      250,
      90,
      22
     ],
     "text": "set hold 0.4",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "hold0",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      560,
      250,
      80,
      22
     ],
     "text": "set hold 0.",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "rel",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      460,
      280,
      100,
      22
     ],
     "text": "set release 2.",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "reset",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      570,
      280,
      80,
      22
     ],
     "text": "set reset 1",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "gain",
     "maxclass": "newobj",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      20,
      300,
      60,
      22
     ],
     "text": "*~ 0.5",
     "outlettype": [
      "signal"
     ]
    }
   },
   {
    "box": {
     "id": "dac",
     "maxclass": "ezdac~",
     "numinlets": 2,
     "numoutlets": 0,
     "patching_rect": [
      20,
      340,
      45,
      45
     ]
    }
   },
   {
    "box": {
     "id": "more",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      20,
      400,
      620,
      50
     ],
     "text": "Every coordinate of a point: nn~ orchestra.ts decode 1024 (inlets: pitch, velocity, z0, z1, ...). Points of the map as signals: nn~ orchestra.ts place 1024. Polyphony: mc.nn~, one voice for each channel.",
     "linecount": 2
    }
   }
  ],
  "lines": [
   {
    "patchline": {
     "source": [
      "midi",
      0
     ],
     "destination": [
      "pitch",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "midi",
      1
     ],
     "destination": [
      "div",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "kb",
      0
     ],
     "destination": [
      "pitch",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "kb",
      1
     ],
     "destination": [
      "div",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "div",
      0
     ],
     "destination": [
      "vel",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "xl",
      0
     ],
     "destination": [
      "xs",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "yl",
      0
     ],
     "destination": [
      "ys",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "pitch",
      0
     ],
     "destination": [
      "nn",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "vel",
      0
     ],
     "destination": [
      "nn",
      1
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "xs",
      0
     ],
     "destination": [
      "nn",
      2
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "ys",
      0
     ],
     "destination": [
      "nn",
      3
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "hold",
      0
     ],
     "destination": [
      "nn",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "hold0",
      0
     ],
     "destination": [
      "nn",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "rel",
      0
     ],
     "destination": [
      "nn",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "reset",
      0
     ],
     "destination": [
      "nn",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "nn",
      0
     ],
     "destination": [
      "gain",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "gain",
      0
     ],
     "destination": [
      "dac",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "gain",
      0
     ],
     "destination": [
      "dac",
      1
     ]
    }
   }
  ]
 }
}
