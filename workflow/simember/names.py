"""Names that Windows programs really use: DLLs with their functions, and section names.

Only facts of the platform stand here: which functions a DLL exports, what a runtime library of
which compiler imports for itself, which names tools give to sections. How often who uses what is
said in `archetypes` and `families`.

A *bundle* is a set of imports that come together, e.g. all that the static C runtime of one
compiler generation needs. `parse` turns the compact notation `DLL: function function; DLL: ...`
into pairs. A number stands for an import by ordinal.
"""

from __future__ import annotations

Imports = tuple[tuple[str, tuple[str, ...]], ...]


def words(text: str) -> tuple[str, ...]:
    """The words of a text: a compact way to write a list of names."""
    return tuple(text.split())


def parse(text: str) -> Imports:
    """Pairs (DLL, functions) from `DLL: function function; DLL: function`."""
    pairs = []
    for chunk in text.split(";"):
        dll, _, functions = chunk.partition(":")
        pairs.append((dll.strip(), tuple(functions.split())))
    return tuple(pairs)


# --- What each runtime imports for itself: always present, as a whole ---------------------------

_RUNTIMES = {
    # Static C runtime of Visual C++ 6 (1998): ANSI, its own small-block heap, no encoded pointers.
    "crt6": """
        KERNEL32.dll: GetModuleHandleA GetStartupInfoA GetCommandLineA GetVersion
        ExitProcess TerminateProcess GetCurrentProcess UnhandledExceptionFilter
        GetModuleFileNameA FreeEnvironmentStringsA FreeEnvironmentStringsW
        WideCharToMultiByte GetEnvironmentStrings GetEnvironmentStringsW SetHandleCount
        GetStdHandle GetFileType HeapDestroy HeapCreate VirtualFree HeapFree RtlUnwind
        WriteFile HeapAlloc GetCPInfo GetACP GetOEMCP VirtualAlloc HeapReAlloc
        GetProcAddress LoadLibraryA MultiByteToWideChar LCMapStringA LCMapStringW
        GetStringTypeA GetStringTypeW""",
    # Static C runtime of Visual C++ 2003.
    "crt71": """
        KERNEL32.dll: GetModuleHandleA GetStartupInfoA GetCommandLineA GetVersionExA
        ExitProcess TerminateProcess GetCurrentProcess UnhandledExceptionFilter
        GetModuleFileNameA FreeEnvironmentStringsA FreeEnvironmentStringsW
        WideCharToMultiByte GetEnvironmentStrings GetEnvironmentStringsW SetHandleCount
        GetStdHandle GetFileType HeapDestroy HeapCreate VirtualFree HeapFree RtlUnwind
        WriteFile HeapAlloc GetCPInfo GetACP GetOEMCP VirtualAlloc HeapReAlloc
        GetProcAddress LoadLibraryA MultiByteToWideChar LCMapStringA LCMapStringW
        GetStringTypeA GetStringTypeW QueryPerformanceCounter GetTickCount
        GetCurrentThreadId GetCurrentProcessId GetSystemTimeAsFileTime TlsAlloc TlsFree
        TlsSetValue TlsGetValue SetLastError GetLastError InitializeCriticalSection
        DeleteCriticalSection EnterCriticalSection LeaveCriticalSection GetLocaleInfoA
        VirtualProtect GetSystemInfo VirtualQuery HeapSize SetUnhandledExceptionFilter""",
    # Static C runtime of Visual C++ 2005 and 2008: encoded pointers, IsDebuggerPresent.
    "crt9": """
        KERNEL32.dll: GetModuleHandleW Sleep GetProcAddress ExitProcess WriteFile
        GetStdHandle GetModuleFileNameA FreeEnvironmentStringsA GetEnvironmentStrings
        FreeEnvironmentStringsW WideCharToMultiByte GetLastError GetEnvironmentStringsW
        SetHandleCount GetFileType GetStartupInfoA DeleteCriticalSection TlsGetValue
        TlsAlloc TlsSetValue TlsFree InterlockedIncrement SetLastError GetCurrentThreadId
        InterlockedDecrement HeapCreate VirtualFree HeapFree QueryPerformanceCounter
        GetTickCount GetCurrentProcessId GetSystemTimeAsFileTime TerminateProcess
        GetCurrentProcess UnhandledExceptionFilter SetUnhandledExceptionFilter
        IsDebuggerPresent LeaveCriticalSection EnterCriticalSection GetCPInfo GetACP
        GetOEMCP IsValidCodePage LoadLibraryA InitializeCriticalSectionAndSpinCount
        HeapAlloc VirtualAlloc HeapReAlloc RtlUnwind HeapSize GetLocaleInfoA
        GetStringTypeA MultiByteToWideChar GetStringTypeW LCMapStringA LCMapStringW
        GetCommandLineA""",
    # Static C runtime of Visual C++ 2010.
    "crt10": """
        KERNEL32.dll: GetModuleHandleW Sleep GetProcAddress ExitProcess WriteFile
        GetStdHandle GetModuleFileNameW FreeEnvironmentStringsW WideCharToMultiByte
        GetLastError GetEnvironmentStringsW SetHandleCount GetFileType GetStartupInfoW
        DeleteCriticalSection TlsGetValue TlsAlloc TlsSetValue TlsFree
        InterlockedIncrement SetLastError GetCurrentThreadId InterlockedDecrement
        HeapCreate HeapFree QueryPerformanceCounter GetTickCount GetCurrentProcessId
        GetSystemTimeAsFileTime TerminateProcess GetCurrentProcess
        UnhandledExceptionFilter SetUnhandledExceptionFilter IsDebuggerPresent
        LeaveCriticalSection EnterCriticalSection GetCPInfo GetACP GetOEMCP
        IsValidCodePage LoadLibraryW InitializeCriticalSectionAndSpinCount HeapAlloc
        HeapReAlloc RtlUnwind HeapSize MultiByteToWideChar GetStringTypeW LCMapStringW
        GetCommandLineA EncodePointer DecodePointer HeapSetInformation
        IsProcessorFeaturePresent""",
    # Static C runtime of Visual C++ 2012 and 2013.
    "crt12": """
        KERNEL32.dll: EncodePointer DecodePointer GetCommandLineA GetLastError
        IsDebuggerPresent IsProcessorFeaturePresent SetLastError GetCurrentThreadId
        ExitProcess GetModuleHandleExW GetProcAddress MultiByteToWideChar
        WideCharToMultiByte HeapSize GetStdHandle WriteFile GetModuleFileNameW HeapFree
        GetProcessHeap UnhandledExceptionFilter SetUnhandledExceptionFilter
        InitializeCriticalSectionAndSpinCount Sleep GetCurrentProcess TerminateProcess
        TlsAlloc TlsGetValue TlsSetValue TlsFree GetStartupInfoW GetModuleHandleW
        HeapAlloc EnterCriticalSection LeaveCriticalSection IsValidCodePage GetACP
        GetOEMCP GetCPInfo DeleteCriticalSection GetFileType QueryPerformanceCounter
        GetCurrentProcessId GetSystemTimeAsFileTime GetEnvironmentStringsW
        FreeEnvironmentStringsW RtlUnwind LoadLibraryExW OutputDebugStringW HeapReAlloc
        GetStringTypeW LCMapStringW FlushFileBuffers GetConsoleCP GetConsoleMode
        SetStdHandle SetFilePointerEx WriteConsoleW CloseHandle CreateFileW""",
    # Static C runtime of Visual C++ 2015 and 2017 (universal C runtime linked in).
    "crt14": """
        KERNEL32.dll: QueryPerformanceCounter GetCurrentProcessId GetCurrentThreadId
        GetSystemTimeAsFileTime InitializeSListHead IsDebuggerPresent
        UnhandledExceptionFilter SetUnhandledExceptionFilter GetStartupInfoW
        IsProcessorFeaturePresent GetModuleHandleW GetCurrentProcess TerminateProcess
        RtlUnwind GetLastError SetLastError EnterCriticalSection LeaveCriticalSection
        DeleteCriticalSection InitializeCriticalSectionAndSpinCount TlsAlloc TlsGetValue
        TlsSetValue TlsFree FreeLibrary GetProcAddress LoadLibraryExW RaiseException
        GetStdHandle WriteFile GetModuleFileNameW MultiByteToWideChar WideCharToMultiByte
        ExitProcess GetModuleHandleExW GetACP HeapFree HeapAlloc FindClose
        FindFirstFileExW FindNextFileW IsValidCodePage GetOEMCP GetCPInfo GetCommandLineA
        GetCommandLineW GetEnvironmentStringsW FreeEnvironmentStringsW LCMapStringW
        GetProcessHeap GetFileType SetStdHandle GetStringTypeW HeapSize HeapReAlloc
        FlushFileBuffers GetConsoleCP GetConsoleMode SetFilePointerEx WriteConsoleW
        DecodePointer CloseHandle CreateFileW""",
    # The C runtime as a DLL, one per compiler generation; {crt} is replaced by its name.
    "msvcrt": """
        msvcrt.dll: __set_app_type __p__fmode __p__commode _adjust_fdiv __setusermatherr
        _initterm __getmainargs _acmdln exit _XcptFilter _exit _except_handler3 _controlfp
        free malloc memset memcpy;
        KERNEL32.dll: GetModuleHandleA GetStartupInfoA""",
    "msvcrt_system": """
        msvcrt.dll: _XcptFilter _amsg_exit _initterm free malloc memset memcpy _vsnwprintf
        _lock _unlock __dllonexit _onexit _except_handler4_common;
        KERNEL32.dll: Sleep UnhandledExceptionFilter SetUnhandledExceptionFilter
        GetCurrentProcess TerminateProcess GetSystemTimeAsFileTime GetCurrentProcessId
        GetCurrentThreadId GetTickCount QueryPerformanceCounter""",
    "msvcr": """
        {crt}: _crt_debugger_hook _except_handler4_common _onexit _lock __dllonexit
        _unlock __clean_type_info_names_internal ?terminate@@YAXXZ _initterm _initterm_e
        _encoded_null free _malloc_crt _amsg_exit __CppXcptFilter _encode_pointer
        _decode_pointer malloc memset memcpy __CxxFrameHandler3 _CxxThrowException
        ??2@YAPAXI@Z ??3@YAXPAX@Z ??_V@YAXPAX@Z _purecall;
        KERNEL32.dll: GetSystemTimeAsFileTime GetCurrentProcessId GetCurrentThreadId
        GetTickCount QueryPerformanceCounter IsDebuggerPresent SetUnhandledExceptionFilter
        UnhandledExceptionFilter GetCurrentProcess TerminateProcess Sleep
        InterlockedCompareExchange InterlockedExchange""",
    "msvcr64": """
        {crt}: __C_specific_handler _onexit _lock __dllonexit _unlock
        __clean_type_info_names_internal ?terminate@@YAXXZ _initterm _initterm_e free
        _malloc_crt _amsg_exit __CppXcptFilter malloc memset memcpy __CxxFrameHandler3
        _CxxThrowException ??2@YAPEAX_K@Z ??3@YAXPEAX@Z ??_V@YAXPEAX@Z _purecall;
        KERNEL32.dll: RtlVirtualUnwind RtlLookupFunctionEntry RtlCaptureContext
        GetSystemTimeAsFileTime GetCurrentProcessId GetCurrentThreadId
        QueryPerformanceCounter IsDebuggerPresent SetUnhandledExceptionFilter
        UnhandledExceptionFilter GetCurrentProcess TerminateProcess""",
    "ucrt": """
        VCRUNTIME140.dll: __std_type_info_destroy_list memset memcpy __CxxFrameHandler3
        _CxxThrowException __std_exception_copy __std_exception_destroy
        _except_handler4_common;
        api-ms-win-crt-runtime-l1-1-0.dll: _initterm _initterm_e _initialize_onexit_table
        _register_onexit_function _execute_onexit_table _crt_atexit _cexit _seh_filter_dll
        _configure_narrow_argv _initialize_narrow_environment
        _invalid_parameter_noinfo_noreturn;
        api-ms-win-crt-heap-l1-1-0.dll: malloc free calloc _callnewh;
        api-ms-win-crt-string-l1-1-0.dll: strncmp _stricmp strcpy_s;
        api-ms-win-crt-stdio-l1-1-0.dll: __stdio_common_vsprintf __acrt_iob_func fwrite;
        KERNEL32.dll: QueryPerformanceCounter GetCurrentProcessId GetCurrentThreadId
        GetSystemTimeAsFileTime InitializeSListHead IsDebuggerPresent
        UnhandledExceptionFilter SetUnhandledExceptionFilter IsProcessorFeaturePresent
        GetCurrentProcess TerminateProcess""",
    "mfc6": """
        MFC42.DLL: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27
        28 29 30 31 32 33 34 35 36 37 38 39 40;
        MSVCRT.dll: __CxxFrameHandler _setmbcp __dllonexit _onexit _exit _XcptFilter exit
        _acmdln __getmainargs _initterm __setusermatherr _adjust_fdiv __p__commode
        __p__fmode __set_app_type _except_handler3 _controlfp;
        KERNEL32.dll: GetModuleHandleA GetStartupInfoA;
        USER32.dll: EnableWindow SendMessageA LoadIconA GetClientRect DrawIcon
        GetSystemMetrics IsIconic AppendMenuA GetSystemMenu""",
    "mfc": """
        {mfc}: 266 280 285 286 293 296 300 314 321 322 323 334 342 345 348 367 374 378 385
        388 404 408 422 433 447 458 485 501 524 530 554 577 595 600 612 640 651 667 673
        682 695 709 715 730 744 757 774 788 801 817 832 844 859 870 888 902""",
    # Startup code of MinGW with msvcrt.
    "mingw": """
        KERNEL32.dll: DeleteCriticalSection EnterCriticalSection GetLastError
        GetModuleHandleA GetProcAddress InitializeCriticalSection LeaveCriticalSection
        SetUnhandledExceptionFilter TlsGetValue VirtualProtect VirtualQuery Sleep
        ExitProcess;
        msvcrt.dll: __getmainargs __p__environ __p__fmode __set_app_type _cexit _iob
        _onexit _setmode abort atexit calloc free fwrite malloc memcpy signal vfprintf
        strlen strncmp""",
    "mingw_dll": """
        KERNEL32.dll: DeleteCriticalSection EnterCriticalSection GetCurrentProcess
        GetCurrentProcessId GetCurrentThreadId GetLastError GetModuleHandleA
        GetProcAddress GetSystemTimeAsFileTime GetTickCount InitializeCriticalSection
        LeaveCriticalSection QueryPerformanceCounter SetUnhandledExceptionFilter Sleep
        TerminateProcess TlsGetValue UnhandledExceptionFilter VirtualProtect VirtualQuery;
        msvcrt.dll: __dllonexit _amsg_exit _initterm _iob _lock _onexit _unlock abort
        calloc free fwrite malloc memcpy realloc strlen strncmp vfprintf""",
    "mingw64_dll": """
        KERNEL32.dll: DeleteCriticalSection EnterCriticalSection GetCurrentProcess
        GetCurrentProcessId GetCurrentThreadId GetLastError GetSystemTimeAsFileTime
        GetTickCount InitializeCriticalSection LeaveCriticalSection
        QueryPerformanceCounter RtlAddFunctionTable RtlCaptureContext
        RtlLookupFunctionEntry RtlVirtualUnwind SetUnhandledExceptionFilter Sleep
        TerminateProcess TlsGetValue UnhandledExceptionFilter VirtualProtect VirtualQuery;
        msvcrt.dll: __dllonexit __iob_func _amsg_exit _initterm _lock _onexit _unlock
        abort calloc free fwrite malloc memcpy realloc strlen strncmp vfprintf""",
    # System unit and SysUtils of Delphi 2-7 (ANSI).
    "delphi": """
        kernel32.dll: DeleteCriticalSection LeaveCriticalSection EnterCriticalSection
        InitializeCriticalSection VirtualFree VirtualAlloc LocalFree LocalAlloc
        GetTickCount QueryPerformanceCounter GetVersion GetCurrentThreadId
        InterlockedDecrement InterlockedIncrement VirtualQuery WideCharToMultiByte
        MultiByteToWideChar lstrlenA lstrcpynA LoadLibraryExA GetThreadLocale
        GetStartupInfoA GetProcAddress GetModuleHandleA GetModuleFileNameA GetLocaleInfoA
        GetCommandLineA FreeLibrary FindFirstFileA FindClose ExitProcess WriteFile
        UnhandledExceptionFilter RtlUnwind RaiseException GetStdHandle TlsSetValue
        TlsGetValue CloseHandle CreateFileA GetFileType SetFilePointer ReadFile
        SetEndOfFile GetFileSize;
        user32.dll: GetKeyboardType LoadStringA MessageBoxA CharNextA;
        advapi32.dll: RegQueryValueExA RegOpenKeyExA RegCloseKey;
        oleaut32.dll: SysFreeString SysReAllocStringLen SysAllocStringLen""",
    # The same of Delphi 2009 and later (Unicode).
    "delphi_unicode": """
        oleaut32.dll: SysFreeString SysReAllocStringLen SysAllocStringLen;
        advapi32.dll: RegQueryValueExW RegOpenKeyExW RegCloseKey;
        user32.dll: CharNextW LoadStringW GetKeyboardType MessageBoxA;
        kernel32.dll: lstrcmpiA LoadLibraryA LocalFree LocalAlloc GetACP Sleep VirtualFree
        VirtualAlloc GetSystemInfo GetVersion GetTickCount QueryPerformanceCounter
        GetCurrentThreadId VirtualQuery WideCharToMultiByte SetCurrentDirectoryW
        MultiByteToWideChar lstrlenW lstrcpynW LoadLibraryExW IsValidLocale
        GetSystemDefaultUILanguage GetStartupInfoA GetProcAddress GetModuleHandleW
        GetModuleFileNameW GetUserDefaultUILanguage GetThreadLocale GetCommandLineW
        FreeLibrary FindFirstFileW FindClose ExitProcess WriteFile
        UnhandledExceptionFilter RtlUnwind RaiseException GetStdHandle CloseHandle
        TlsSetValue TlsGetValue DeleteCriticalSection LeaveCriticalSection
        EnterCriticalSection InitializeCriticalSection GetLocaleInfoW GetCPInfo
        CompareStringW""",
    "vcl": """
        user32.dll: CreateWindowExA WindowFromPoint UpdateWindow UnregisterClassA
        UnhookWindowsHookEx TranslateMessage TrackPopupMenu SystemParametersInfoA
        ShowWindow ShowScrollBar ShowOwnedPopups SetWindowsHookExA SetWindowPos
        SetWindowPlacement SetWindowLongA SetTimer SetScrollRange SetScrollPos
        SetScrollInfo SetRect SetPropA SetParent SetMenuItemInfoA SetMenu
        SetForegroundWindow SetFocus SetCursor SetClassLongA SetCapture SetActiveWindow
        SendMessageA ScrollWindow ScreenToClient RemovePropA RemoveMenu ReleaseDC
        ReleaseCapture RegisterWindowMessageA RegisterClassA RedrawWindow PtInRect
        PostQuitMessage PostMessageA PeekMessageA OffsetRect OemToCharA
        MsgWaitForMultipleObjects MessageBeep MapWindowPoints MapVirtualKeyA
        LoadKeyboardLayoutA LoadIconA LoadCursorA LoadBitmapA KillTimer IsZoomed
        IsWindowVisible IsWindowEnabled IsWindow IsRectEmpty IsIconic IsDialogMessageA
        IsChild InvalidateRect IntersectRect InsertMenuItemA InflateRect
        GetWindowThreadProcessId GetWindowTextA GetWindowRect GetWindowPlacement
        GetWindowLongA GetWindowDC GetTopWindow GetSystemMetrics GetSystemMenu
        GetSysColorBrush GetSysColor GetSubMenu GetScrollRange GetScrollPos GetScrollInfo
        GetPropA GetParent GetWindow GetMenuStringA GetMenuState GetMenuItemInfoA
        GetMenuItemID GetMenuItemCount GetMenu GetLastActivePopup GetKeyboardState
        GetKeyState GetKeyNameTextA GetIconInfo GetForegroundWindow GetFocus
        GetDesktopWindow GetDCEx GetDC GetCursorPos GetCursor GetClientRect GetClassNameA
        GetClassInfoA GetCapture GetActiveWindow FrameRect FindWindowA FillRect EqualRect
        EnumWindows EnumThreadWindows EndPaint EnableWindow EnableScrollBar EnableMenuItem
        DrawTextA DrawMenuBar DrawIconEx DrawIcon DrawFrameControl DrawEdge
        DispatchMessageA DestroyWindow DestroyMenu DestroyIcon DestroyCursor DeleteMenu
        DefWindowProcA DefMDIChildProcA DefFrameProcA CreatePopupMenu CreateMenu
        CreateIcon ClientToScreen CheckMenuItem CallWindowProcA CallNextHookEx BeginPaint
        CharLowerBuffA CharUpperBuffA AdjustWindowRectEx ActivateKeyboardLayout;
        gdi32.dll: UnrealizeObject StretchBlt SetWindowOrgEx SetWinMetaFileBits
        SetViewportOrgEx SetTextColor SetStretchBltMode SetROP2 SetPixel
        SetEnhMetaFileBits SetDIBColorTable SetBrushOrgEx SetBkMode SetBkColor
        SelectPalette SelectObject SaveDC RestoreDC Rectangle RectVisible RealizePalette
        PlayEnhMetaFile PatBlt MoveToEx MaskBlt LineTo IntersectClipRect GetWindowOrgEx
        GetWinMetaFileBits GetTextMetricsA GetTextExtentPoint32A GetSystemPaletteEntries
        GetStockObject GetPixel GetPaletteEntries GetObjectA GetEnhMetaFilePaletteEntries
        GetEnhMetaFileHeader GetEnhMetaFileBits GetDeviceCaps GetDIBits GetDIBColorTable
        GetDCOrgEx GetCurrentPositionEx GetClipBox GetBrushOrgEx GetBitmapBits
        ExcludeClipRect DeleteObject DeleteEnhMetaFile DeleteDC CreateSolidBrush
        CreatePenIndirect CreatePalette CreateHalftonePalette CreateFontIndirectA
        CreateDIBitmap CreateDIBSection CreateCompatibleDC CreateCompatibleBitmap
        CreateBrushIndirect CreateBitmap CopyEnhMetaFileA BitBlt;
        version.dll: VerQueryValueA GetFileVersionInfoSizeA GetFileVersionInfoA;
        comctl32.dll: ImageList_SetIconSize ImageList_GetIconSize ImageList_Write
        ImageList_Read ImageList_GetDragImage ImageList_DragShowNolock ImageList_DragMove
        ImageList_DragLeave ImageList_DragEnter ImageList_EndDrag ImageList_BeginDrag
        ImageList_Remove ImageList_DrawEx ImageList_Draw ImageList_GetBkColor
        ImageList_SetBkColor ImageList_Add ImageList_GetImageCount ImageList_Destroy
        ImageList_Create""",
    # Packages of the VCL: what a Delphi program built with run-time packages imports.
    "vcl_packages": """
        {rtl}: @System@@LStrClr$qqrv @System@@HandleFinally$qqrv
        @System@TObject@AfterConstruction$qqrv @System@TObject@BeforeDestruction$qqrv
        @System@TObject@SafeCallException$qqrp14System@TObjectpv
        @System@@AfterConstruction$qqrp14System@TObject @System@initialization$qqrv
        @System@Finalization$qqrv @Sysutils@initialization$qqrv
        @Sysutils@Finalization$qqrv @Classes@TPersistent@ @Classes@TComponent@
        @Classes@initialization$qqrv @Classes@Finalization$qqrv
        @Variants@initialization$qqrv @Variants@Finalization$qqrv
        @Classes@TComponent@UpdateAction$qqrp18Classes@TBasicAction
        @System@@HandleAnyException$qqrv;
        {vcl}: @Graphics@initialization$qqrv @Graphics@Finalization$qqrv
        @Controls@TControl@ @Controls@TWinControl@ @Controls@initialization$qqrv
        @Controls@Finalization$qqrv @Forms@initialization$qqrv @Forms@Finalization$qqrv
        @Menus@initialization$qqrv""",
    "borland_c": """
        KERNEL32.DLL: CloseHandle CreateDirectoryA CreateFileA EnterCriticalSection
        ExitProcess GetACP GetCommandLineA GetCPInfo GetCurrentThreadId
        GetEnvironmentStrings GetFileType GetLastError GetLocalTime GetModuleFileNameA
        GetModuleHandleA GetOEMCP GetProcAddress GetProcessHeap GetStartupInfoA
        GetStdHandle GetStringTypeW GetVersion GetVersionExA GlobalMemoryStatus HeapAlloc
        HeapFree InitializeCriticalSection LeaveCriticalSection LoadLibraryA
        MultiByteToWideChar RaiseException ReadFile RtlUnwind SetConsoleCtrlHandler
        SetFilePointer SetHandleCount TlsAlloc TlsFree TlsGetValue TlsSetValue
        UnhandledExceptionFilter VirtualAlloc VirtualFree WideCharToMultiByte WriteFile;
        USER32.DLL: EnumThreadWindows MessageBoxA wsprintfA""",
    "dotnet_exe": "mscoree.dll: _CorExeMain",
    "dotnet_dll": "mscoree.dll: _CorDllMain",
    "vb6": """
        MSVBVM60.DLL: _CIcos _adj_fptan __vbaFreeVar __vbaFreeVarList _adj_fdiv_m64
        _adj_fprem1 __vbaSetSystemError __vbaHresultCheckObj _adj_fdiv_m32 __vbaObjSet
        _adj_fdiv_m16i _adj_fdivr_m16i _CIsin __vbaChkstk EVENT_SINK_AddRef _adj_fpatan
        EVENT_SINK_Release _CIsqrt EVENT_SINK_QueryInterface __vbaExceptHandler _adj_fprem
        _adj_fdivr_m64 __vbaFPException _CIlog _adj_fdiv_m32i _adj_fdivr_m32i
        _adj_fdivr_m32 _adj_fdiv_r _CIatan __vbaStrMove _allmul _CItan _CIexp __vbaFreeStr
        __vbaFreeObj""",
    "nt_kernel": """
        ntoskrnl.exe: RtlInitUnicodeString IoCreateDevice IoDeleteDevice
        IoCreateSymbolicLink IoDeleteSymbolicLink IofCompleteRequest KeBugCheckEx memset
        memcpy DbgPrint ExAllocatePoolWithTag ExFreePoolWithTag KeInitializeEvent
        KeSetEvent KeWaitForSingleObject IofCallDriver ObfDereferenceObject""",
    "go": """
        kernel32.dll: WriteFile WriteConsoleW WaitForSingleObject VirtualFree VirtualAlloc
        SwitchToThread SetWaitableTimer SetUnhandledExceptionFilter
        SetProcessPriorityBoost SetEvent SetErrorMode SetConsoleCtrlHandler LoadLibraryA
        LoadLibraryW GetSystemInfo GetStdHandle GetQueuedCompletionStatus
        GetProcessAffinityMask GetProcAddress GetEnvironmentStringsW GetConsoleMode
        FreeEnvironmentStringsW ExitProcess DuplicateHandle CreateThread
        CreateIoCompletionPort CreateEventA CloseHandle AddVectoredExceptionHandler;
        ws2_32.dll: WSAGetOverlappedResult;
        winmm.dll: timeBeginPeriod""",
    # What a packer's stub leaves: enough to rebuild the real import table.
    "upx": """
        KERNEL32.DLL: LoadLibraryA GetProcAddress VirtualProtect VirtualAlloc VirtualFree
        ExitProcess""",
    "stub": "kernel32.dll: GetProcAddress GetModuleHandleA LoadLibraryA",
    "stub_small": "KERNEL32.dll: LoadLibraryA GetProcAddress",
    "nsis": """
        KERNEL32.dll: CompareFileTime SearchPathA GetShortPathNameA GetFullPathNameA
        MoveFileA SetCurrentDirectoryA GetFileAttributesA GetLastError CreateDirectoryA
        SetFileAttributesA Sleep GetTickCount GetFileSize GetModuleFileNameA
        GetCurrentProcess CopyFileA ExitProcess GetWindowsDirectoryA SetFileTime
        GetCommandLineA SetErrorMode LoadLibraryA lstrcpynA GetDiskFreeSpaceA GlobalUnlock
        GlobalLock CreateThread CreateProcessA RemoveDirectoryA CreateFileA
        GetTempFileNameA lstrlenA lstrcatA GetSystemDirectoryA GetVersion CloseHandle
        lstrcmpiA lstrcmpA ExpandEnvironmentStringsA GlobalFree GlobalAlloc
        WaitForSingleObject GetExitCodeProcess GetModuleHandleA LoadLibraryExA
        GetProcAddress FreeLibrary MultiByteToWideChar WritePrivateProfileStringA
        GetPrivateProfileStringA WriteFile ReadFile MulDiv SetFilePointer FindClose
        FindNextFileA FindFirstFileA DeleteFileA GetTempPathA;
        USER32.dll: EndDialog ScreenToClient GetWindowRect EnableMenuItem GetSystemMenu
        SetClassLongA IsWindowEnabled SetWindowPos GetSysColor GetWindowLongA SetCursor
        LoadCursorA CheckDlgButton GetMessagePos LoadBitmapA CallWindowProcA
        IsWindowVisible CloseClipboard SetClipboardData EmptyClipboard RegisterClassA
        TrackPopupMenu AppendMenuA CreatePopupMenu GetSystemMetrics SetDlgItemTextA
        GetDlgItemTextA MessageBoxIndirectA CharPrevA DispatchMessageA PeekMessageA
        DestroyWindow CreateDialogParamA SetTimer SetWindowTextA PostQuitMessage
        SetForegroundWindow wsprintfA SendMessageTimeoutA FindWindowExA
        SystemParametersInfoA CreateWindowExA GetClassInfoA DialogBoxParamA CharNextA
        OpenClipboard ExitWindowsEx IsWindow GetDlgItem SetWindowLongA LoadImageA GetDC
        EnableWindow InvalidateRect SendMessageA DefWindowProcA BeginPaint GetClientRect
        FillRect DrawTextA EndPaint ShowWindow;
        GDI32.dll: SetBkColor GetDeviceCaps DeleteObject CreateBrushIndirect
        CreateFontIndirectA SetBkMode SetTextColor SelectObject;
        SHELL32.dll: SHGetPathFromIDListA SHBrowseForFolderA SHGetFileInfoA ShellExecuteA
        SHFileOperationA SHGetSpecialFolderLocation;
        ADVAPI32.dll: RegQueryValueExA RegSetValueExA RegEnumKeyA RegEnumValueA
        RegOpenKeyExA RegDeleteKeyA RegDeleteValueA RegCloseKey RegCreateKeyExA;
        COMCTL32.dll: ImageList_AddMasked ImageList_Destroy 17 ImageList_Create;
        ole32.dll: CoTaskMemFree OleInitialize OleUninitialize CoCreateInstance;
        VERSION.dll: GetFileVersionInfoSizeA GetFileVersionInfoA VerQueryValueA""",
    "inno": """
        kernel32.dll: DeleteCriticalSection LeaveCriticalSection EnterCriticalSection
        InitializeCriticalSection VirtualFree VirtualAlloc LocalFree LocalAlloc
        WideCharToMultiByte TlsSetValue TlsGetValue MultiByteToWideChar GetModuleHandleA
        GetLastError GetCommandLineA WriteFile SetFilePointer SetEndOfFile RtlUnwind
        ReadFile RaiseException GetStdHandle GetFileSize GetSystemTime GetFileType
        ExitProcess CreateFileA CloseHandle WaitForSingleObject SizeofResource
        SetLastError SetErrorMode RemoveDirectoryA LockResource LoadResource LoadLibraryA
        GetWindowsDirectoryA GetVersionExA GetUserDefaultLangID GetSystemInfo
        GetSystemDirectoryA GetSystemDefaultLCID GetProcAddress GetModuleFileNameA
        GetLocaleInfoA GetFullPathNameA GetFileAttributesA GetExitCodeProcess
        GetEnvironmentVariableA GetCurrentProcess FreeLibrary FormatMessageA FindResourceA
        DeleteFileA CreateProcessA CreateDirectoryA VirtualQuery Sleep InterlockedExchange
        VirtualProtect;
        user32.dll: MessageBoxA TranslateMessage SetWindowLongA PeekMessageA
        MsgWaitForMultipleObjects LoadStringA ExitWindowsEx DispatchMessageA DestroyWindow
        CreateWindowExA CallWindowProcA CharPrevA CharNextA;
        oleaut32.dll: VariantChangeTypeEx VariantCopyInd VariantClear SysStringLen
        SysAllocStringLen SysFreeString SysReAllocStringLen;
        advapi32.dll: RegQueryValueExA RegOpenKeyExA RegCloseKey OpenProcessToken
        LookupPrivilegeValueA AdjustTokenPrivileges;
        comctl32.dll: InitCommonControls""",
}

RUNTIMES: dict[str, Imports] = {name: parse(text) for name, text in _RUNTIMES.items()}

# --- What programs do: a program takes some bundles, and of each a part of the functions ---------

# A function that has an ANSI and a Unicode form is written with a trailing `*`; the program's
# character set decides which letter it ends with.
_CAPABILITIES = {
    "files": """
        KERNEL32.dll: CreateFile* ReadFile WriteFile CloseHandle GetFileSize
        SetFilePointer DeleteFile* CopyFile* MoveFileEx* GetFileAttributes*
        SetFileAttributes* CreateDirectory* RemoveDirectory* FindFirstFile* FindNextFile*
        FindClose GetTempPath* GetTempFileName* GetFullPathName* GetCurrentDirectory*
        SetEndOfFile SetFileTime GetFileTime FlushFileBuffers GetDriveType*
        GetDiskFreeSpaceEx* GetLogicalDrives GetShortPathName* GetLongPathName*
        SetFilePointerEx GetFileSizeEx LockFile UnlockFile GetFileInformationByHandle
        FileTimeToSystemTime FileTimeToLocalFileTime SystemTimeToFileTime CompareFileTime
        GetVolumeInformation* GetWindowsDirectory* GetSystemDirectory*""",
    "process": """
        KERNEL32.dll: CreateProcess* WaitForSingleObject GetExitCodeProcess OpenProcess
        TerminateProcess GetCurrentProcessId CreateThread ExitThread ResumeThread
        SuspendThread GetExitCodeThread SetThreadPriority CreateEvent* SetEvent ResetEvent
        CreateMutex* ReleaseMutex OpenMutex* WaitForMultipleObjects CreateSemaphore*
        ReleaseSemaphore DuplicateHandle TerminateThread OpenEvent* GetCurrentThread
        SetPriorityClass InterlockedExchange InterlockedCompareExchange
        SetThreadAffinityMask GetThreadPriority""",
    "memory": """
        KERNEL32.dll: GlobalAlloc GlobalFree GlobalLock GlobalUnlock GlobalSize
        GlobalReAlloc GlobalHandle LocalAlloc LocalFree LocalReAlloc VirtualQuery
        VirtualProtect CreateFileMapping* MapViewOfFile UnmapViewOfFile OpenFileMapping*
        HeapCreate HeapDestroy HeapReAlloc HeapSize GetProcessHeap MulDiv lstrlen*
        lstrcpy* lstrcat* lstrcmpi* lstrcmp* lstrcpyn*""",
    "system": """
        KERNEL32.dll: GetVersionEx* GetSystemInfo GetComputerName* GetSystemTime
        GetLocalTime GetTimeZoneInformation GetTickCount FormatMessage*
        GetEnvironmentVariable* SetEnvironmentVariable* ExpandEnvironmentStrings*
        OutputDebugString* GetLocaleInfo* GetUserDefaultLCID GetSystemDefaultLangID
        GetThreadLocale CompareString* GetDateFormat* GetTimeFormat* IsDBCSLeadByte
        SetErrorMode GlobalMemoryStatus GetStringTypeEx* EnumSystemLocales* IsValidLocale
        GetUserDefaultLangID GlobalMemoryStatusEx SetUnhandledExceptionFilter DebugBreak
        VerSetConditionMask VerifyVersionInfo*""",
    "loader": """
        KERNEL32.dll: LoadLibrary* GetProcAddress FreeLibrary GetModuleHandle*
        GetModuleFileName* LoadLibraryEx* DisableThreadLibraryCalls""",
    "resources": """
        KERNEL32.dll: FindResource* LoadResource LockResource SizeofResource FreeResource
        EnumResourceNames* FindResourceEx* BeginUpdateResource* UpdateResource*
        EndUpdateResource*;
        USER32.dll: LoadString* LoadIcon* LoadCursor* LoadBitmap* LoadImage*""",
    "registry": """
        ADVAPI32.dll: RegOpenKeyEx* RegQueryValueEx* RegCloseKey RegSetValueEx*
        RegCreateKeyEx* RegDeleteValue* RegDeleteKey* RegEnumKeyEx* RegEnumValue*
        RegQueryInfoKey* RegFlushKey RegCreateKey* RegOpenKey* RegEnumKey* RegQueryValue*
        RegNotifyChangeKeyValue""",
    "security": """
        ADVAPI32.dll: OpenProcessToken GetTokenInformation AdjustTokenPrivileges
        LookupPrivilegeValue* AllocateAndInitializeSid FreeSid EqualSid GetUserName*
        InitializeSecurityDescriptor SetSecurityDescriptorDacl OpenThreadToken
        LookupAccountSid* ConvertStringSecurityDescriptorToSecurityDescriptor*
        CheckTokenMembership InitializeAcl AddAccessAllowedAce GetLengthSid
        SetNamedSecurityInfo* ImpersonateLoggedOnUser RevertToSelf DuplicateTokenEx
        CreateProcessAsUser* SetEntriesInAcl* GetSidSubAuthority""",
    "services": """
        ADVAPI32.dll: OpenSCManager* OpenService* CloseServiceHandle CreateService*
        StartService* ControlService QueryServiceStatus DeleteService
        RegisterServiceCtrlHandler* SetServiceStatus StartServiceCtrlDispatcher*
        ChangeServiceConfig2* QueryServiceConfig* EnumServicesStatus* RegisterEventSource*
        ReportEvent* DeregisterEventSource""",
    "crypto": """
        ADVAPI32.dll: CryptAcquireContext* CryptReleaseContext CryptCreateHash
        CryptHashData CryptGetHashParam CryptDestroyHash CryptDeriveKey CryptEncrypt
        CryptDecrypt CryptGenRandom CryptImportKey CryptDestroyKey CryptExportKey
        CryptGenKey CryptSetKeyParam;
        CRYPT32.dll: CryptStringToBinary* CryptBinaryToString* CertOpenStore
        CertCloseStore CertFindCertificateInStore CertFreeCertificateContext
        CryptUnprotectData CryptDecodeObject CertGetNameString* CryptMsgClose
        CryptQueryObject""",
    "windows": """
        USER32.dll: RegisterClassEx* CreateWindowEx* DefWindowProc* ShowWindow
        UpdateWindow GetMessage* TranslateMessage DispatchMessage* PostQuitMessage
        DestroyWindow SendMessage* PostMessage* PeekMessage* SetWindowLong* GetWindowLong*
        SetWindowText* GetWindowText* GetClientRect GetWindowRect MoveWindow SetWindowPos
        InvalidateRect BeginPaint EndPaint GetDC ReleaseDC SetTimer KillTimer
        GetSystemMetrics LoadIcon* LoadCursor* SetCursor GetCursorPos ScreenToClient
        ClientToScreen SetFocus GetFocus SetForegroundWindow GetForegroundWindow IsWindow
        IsWindowVisible EnableWindow GetParent GetDesktopWindow FindWindow*
        CallWindowProc* GetKeyState SetCapture ReleaseCapture RegisterWindowMessage*
        SystemParametersInfo* GetSysColor FillRect DrawText* RedrawWindow GetActiveWindow
        UnregisterClass* GetWindow PtInRect OffsetRect IntersectRect SetRect CopyRect
        InflateRect MapWindowPoints IsIconic GetClassName* SetParent
        GetWindowThreadProcessId RegisterClass* MessageBeep""",
    "dialogs": """
        USER32.dll: DialogBoxParam* EndDialog GetDlgItem SetDlgItemText* GetDlgItemText*
        SendDlgItemMessage* MessageBox* CreateDialogParam* IsDialogMessage* CheckDlgButton
        IsDlgButtonChecked SetDlgItemInt GetDlgItemInt wsprintf* EnableWindow CharNext*
        CharUpper* CharLower* GetDlgCtrlID GetNextDlgTabItem GetWindowTextLength*
        DialogBoxIndirectParam* CheckRadioButton;
        comdlg32.dll: GetOpenFileName* GetSaveFileName* ChooseColor* ChooseFont*
        CommDlgExtendedError PrintDlg*;
        COMCTL32.dll: InitCommonControlsEx 17 ImageList_Create ImageList_Destroy
        ImageList_ReplaceIcon PropertySheet* CreatePropertySheetPage* ImageList_Add
        ImageList_Draw _TrackMouseEvent""",
    "menus": """
        USER32.dll: CreatePopupMenu TrackPopupMenu DestroyMenu AppendMenu* GetMenu
        GetSubMenu EnableMenuItem CheckMenuItem InsertMenu* GetMenuItemCount GetMenuItemID
        LoadMenu* SetMenu DrawMenuBar GetSystemMenu LoadAccelerators*
        TranslateAccelerator* ModifyMenu* DeleteMenu RemoveMenu GetMenuState
        SetMenuItemInfo* GetMenuItemInfo* GetMenuString*""",
    "drawing": """
        GDI32.dll: SelectObject DeleteObject CreateCompatibleDC CreateCompatibleBitmap
        BitBlt DeleteDC GetStockObject CreateSolidBrush CreatePen CreateFontIndirect*
        SetBkMode SetTextColor SetBkColor TextOut* GetTextExtentPoint32* GetDeviceCaps
        GetObject* StretchBlt Rectangle LineTo MoveToEx CreateDIBSection PatBlt
        GetTextMetrics* CreateFont* SetMapMode SaveDC RestoreDC ExtTextOut*
        IntersectClipRect CreateRectRgn SelectClipRgn CombineRgn Ellipse Polygon GetPixel
        SetPixel GetDIBits SetDIBits CreateBitmap SetViewportOrgEx SetStretchBltMode
        GetClipBox ExcludeClipRect Polyline CreatePatternBrush SetROP2 RectVisible
        PtVisible Escape ScaleWindowExtEx SetWindowExtEx ScaleViewportExtEx
        SetViewportExtEx OffsetViewportOrgEx""",
    "printing": """
        WINSPOOL.DRV: OpenPrinter* ClosePrinter DocumentProperties* EnumPrinters*
        GetPrinter* SetPrinter* AddJob* DeviceCapabilities*;
        GDI32.dll: StartDoc* EndDoc StartPage EndPage CreateDC* SetAbortProc AbortDoc
        ResetDC*""",
    "shell": """
        SHELL32.dll: ShellExecute* ShellExecuteEx* SHGetFolderPath*
        SHGetSpecialFolderPath* SHGetFileInfo* SHBrowseForFolder* SHGetPathFromIDList*
        SHGetMalloc SHFileOperation* Shell_NotifyIcon* ExtractIcon* DragQueryFile*
        DragAcceptFiles DragFinish SHGetSpecialFolderLocation SHGetDesktopFolder
        SHChangeNotify CommandLineToArgvW""",
    "shlwapi": """
        SHLWAPI.dll: PathFileExists* PathCombine* PathAppend* PathRemoveFileSpec*
        PathFindFileName* PathFindExtension* StrStrI* StrCmpI* PathIsDirectory*
        SHGetValue* SHSetValue* SHDeleteKey* PathAddBackslash* PathRemoveExtension*
        StrToInt* StrRChr* PathIsRelative* PathStripPath* UrlUnescape* wnsprintf*
        PathMatchSpec* PathIsUNC* SHCopyKey*""",
    "com": """
        ole32.dll: CoInitialize CoUninitialize CoCreateInstance CoInitializeEx
        CoTaskMemAlloc CoTaskMemFree StringFromGUID2 CLSIDFromString CLSIDFromProgID
        OleInitialize OleUninitialize CoGetClassObject CreateStreamOnHGlobal
        CoRegisterClassObject CoRevokeClassObject CoCreateGuid CoMarshalInterface
        CoInitializeSecurity CoSetProxyBlanket StringFromCLSID CoTaskMemRealloc
        ReleaseStgMedium RegisterDragDrop RevokeDragDrop DoDragDrop IIDFromString
        GetHGlobalFromStream OleSetContainedObject CoGetMalloc;
        OLEAUT32.dll: 2 4 6 7 8 9 10 12 16 150 161 162 163 184 185 186 200 277 411 420""",
    "com_names": """
        OLEAUT32.dll: SysAllocString SysFreeString SysStringLen SysAllocStringLen
        VariantInit VariantClear VariantCopy VariantChangeType VariantCopyInd
        SafeArrayCreate SafeArrayGetLBound SafeArrayGetUBound SafeArrayPtrOfIndex
        GetErrorInfo LoadTypeLib RegisterTypeLib GetActiveObject SafeArrayAccessData
        OleLoadPicture""",
    "version": """
        VERSION.dll: GetFileVersionInfo* GetFileVersionInfoSize* VerQueryValue*""",
    "winsock": """
        WS2_32.dll: 1 2 3 4 6 8 9 10 11 12 13 15 16 17 18 19 20 21 22 23 51 52 57 111 112
        115 116 151 WSASocket* WSAIoctl getaddrinfo freeaddrinfo WSARecv WSASend
        WSAEventSelect WSAEnumNetworkEvents WSACreateEvent WSACloseEvent""",
    "wsock32": """
        WSOCK32.dll: WSAStartup WSACleanup socket closesocket connect send recv
        gethostbyname htons inet_addr inet_ntoa select ioctlsocket bind listen accept
        gethostname WSAGetLastError ntohs setsockopt sendto recvfrom""",
    "wininet": """
        WININET.dll: InternetOpen* InternetOpenUrl* InternetReadFile InternetCloseHandle
        InternetConnect* HttpOpenRequest* HttpSendRequest* HttpQueryInfo*
        InternetSetOption* InternetQueryOption* InternetCrackUrl* HttpAddRequestHeaders*
        InternetGetConnectedState DeleteUrlCacheEntry* FtpPutFile* FtpGetFile*
        InternetQueryDataAvailable FindFirstUrlCacheEntry* FindNextUrlCacheEntry*
        InternetSetCookie* InternetGetCookie*""",
    "urlmon": """
        urlmon.dll: URLDownloadToFile* URLDownloadToCacheFile* ObtainUserAgentString
        CoInternetSetFeatureEnabled""",
    "winhttp": """
        WINHTTP.dll: WinHttpOpen WinHttpConnect WinHttpOpenRequest WinHttpSendRequest
        WinHttpReceiveResponse WinHttpReadData WinHttpCloseHandle WinHttpQueryHeaders
        WinHttpQueryDataAvailable WinHttpCrackUrl WinHttpSetOption
        WinHttpGetIEProxyConfigForCurrentUser""",
    "dns": """
        DNSAPI.dll: DnsQuery_* DnsFree;
        IPHLPAPI.DLL: GetAdaptersInfo GetAdaptersAddresses GetIfTable GetTcpTable
        GetExtendedTcpTable GetNetworkParams GetBestInterface""",
    "network_shares": """
        MPR.dll: WNetOpenEnum* WNetEnumResource* WNetCloseEnum WNetAddConnection2*
        WNetGetConnection* WNetCancelConnection2*;
        NETAPI32.dll: NetShareEnum NetApiBufferFree NetUserEnum NetUserAdd
        NetLocalGroupAddMembers NetScheduleJobAdd Netbios NetServerEnum NetWkstaGetInfo
        NetUserGetInfo""",
    "injection": """
        KERNEL32.dll: OpenProcess VirtualAllocEx WriteProcessMemory ReadProcessMemory
        CreateRemoteThread GetThreadContext SetThreadContext ResumeThread VirtualProtectEx
        CreateToolhelp32Snapshot Process32First Process32Next Module32First Thread32First
        Thread32Next VirtualFreeEx QueueUserAPC;
        ntdll.dll: NtUnmapViewOfSection NtQueryInformationProcess RtlDecompressBuffer
        ZwQuerySystemInformation NtQuerySystemInformation RtlAdjustPrivilege""",
    "hooks": """
        USER32.dll: SetWindowsHookEx* UnhookWindowsHookEx CallNextHookEx GetAsyncKeyState
        GetKeyboardState ToAscii MapVirtualKey* GetKeyNameText* GetForegroundWindow
        GetWindowText* keybd_event mouse_event SetCursorPos AttachThreadInput
        GetKeyboardLayout OpenClipboard CloseClipboard GetClipboardData SetClipboardData
        EmptyClipboard IsClipboardFormatAvailable EnumWindows FindWindowEx* SendInput
        BlockInput ExitWindowsEx GetWindowDC PrintWindow""",
    "processes": """
        PSAPI.DLL: EnumProcesses EnumProcessModules GetModuleFileNameEx*
        GetModuleBaseName* GetModuleInformation GetProcessMemoryInfo
        GetProcessImageFileName*;
        KERNEL32.dll: CreateToolhelp32Snapshot Process32First* Process32Next* OpenProcess
        QueryDosDevice*""",
    "devices": """
        KERNEL32.dll: DeviceIoControl GetDriveType* GetLogicalDriveStrings*
        DefineDosDevice* SetVolumeLabel* FindFirstVolume* FindNextVolume*;
        SETUPAPI.dll: SetupDiGetClassDevs* SetupDiEnumDeviceInfo
        SetupDiGetDeviceRegistryProperty* SetupDiDestroyDeviceInfoList SetupOpenInfFile*
        SetupCloseInfFile SetupInstallFile* SetupDiEnumDeviceInterfaces
        SetupDiGetDeviceInterfaceDetail* CM_Get_Device_ID*""",
    "console": """
        KERNEL32.dll: GetConsoleMode SetConsoleMode ReadConsole* WriteConsole*
        AllocConsole FreeConsole GetStdHandle SetConsoleTextAttribute
        SetConsoleCtrlHandler SetConsoleTitle* GetConsoleScreenBufferInfo PeekNamedPipe
        CreatePipe GetConsoleCP GetConsoleOutputCP FillConsoleOutputCharacter*
        SetConsoleCursorPosition AttachConsole""",
    "pipes": """
        KERNEL32.dll: CreateNamedPipe* ConnectNamedPipe DisconnectNamedPipe WaitNamedPipe*
        CallNamedPipe* CancelIo GetOverlappedResult CreateIoCompletionPort
        PostQueuedCompletionStatus GetQueuedCompletionStatus CreatePipe PeekNamedPipe;
        RPCRT4.dll: UuidCreate UuidToString* RpcStringFree* UuidFromString* RpcBindingFree
        RpcStringBindingCompose* RpcBindingFromStringBinding* NdrClientCall2
        I_RpcMapWin32Status""",
    "profiles": """
        KERNEL32.dll: GetPrivateProfileString* WritePrivateProfileString*
        GetPrivateProfileInt* GetProfileString* GetPrivateProfileSection*
        GetPrivateProfileSectionNames* GetProfileInt*""",
    "multimedia": """
        WINMM.dll: timeGetTime PlaySound* waveOutOpen waveOutWrite waveOutClose
        mciSendCommand* mciSendString* timeBeginPeriod timeEndPeriod waveOutPrepareHeader
        waveOutUnprepareHeader sndPlaySound* midiOutOpen waveInOpen joyGetPosEx mixerOpen
        waveOutGetNumDevs timeSetEvent timeKillEvent waveOutSetVolume mmioOpen* mmioRead""",
    "graphics": """
        gdiplus.dll: GdiplusStartup GdiplusShutdown GdipCreateBitmapFromStream
        GdipDisposeImage GdipDrawImageRectI GdipCreateFromHDC GdipDeleteGraphics
        GdipLoadImageFromFile GdipFree GdipAlloc GdipCloneImage GdipGetImageWidth
        GdipGetImageHeight GdipCreateBitmapFromScan0 GdipSaveImageToFile
        GdipGetImageEncoders GdipGetImageEncodersSize GdipSetInterpolationMode
        GdipDrawString GdipCreatePen1 GdipFillRectangleI;
        MSIMG32.dll: AlphaBlend TransparentBlt GradientFill""",
    "directx": """
        OPENGL32.dll: glBegin glEnd glVertex3f glClear glEnable glDisable glBindTexture
        glTexImage2D wglCreateContext wglMakeCurrent wglDeleteContext glViewport
        glMatrixMode glLoadIdentity glGetString glTexParameteri;
        d3d9.dll: Direct3DCreate9;
        DINPUT8.dll: DirectInput8Create;
        DSOUND.dll: 1 2 11;
        XINPUT1_3.dll: 2 3""",
    "themes": """
        UxTheme.dll: OpenThemeData CloseThemeData DrawThemeBackground IsAppThemed
        SetWindowTheme GetThemeColor IsThemeActive DrawThemeText GetThemePartSize;
        dwmapi.dll: DwmExtendFrameIntoClientArea DwmIsCompositionEnabled
        DwmSetWindowAttribute;
        IMM32.dll: ImmGetContext ImmReleaseContext ImmSetCompositionWindow
        ImmAssociateContext""",
    "accessibility": """
        OLEACC.dll: AccessibleObjectFromWindow CreateStdAccessibleObject
        LresultFromObject;
        oledlg.dll: 8;
        WTSAPI32.dll: WTSQuerySessionInformation* WTSFreeMemory WTSEnumerateSessions*
        WTSQueryUserToken;
        USERENV.dll: CreateEnvironmentBlock DestroyEnvironmentBlock
        GetUserProfileDirectory* LoadUserProfile*;
        Secur32.dll: GetUserNameEx* LsaLogonUser LsaConnectUntrusted""",
    "trust": """
        WINTRUST.dll: WinVerifyTrust CryptCATAdminAcquireContext
        CryptCATAdminReleaseContext WTHelperProvDataFromStateData;
        msi.dll: 8 17 32 44 70 88 92 115 118 160 169 204;
        imagehlp.dll: CheckSumMappedFile MapAndLoad UnMapAndLoad;
        dbghelp.dll: MiniDumpWriteDump SymInitialize SymFromAddr StackWalk64 SymCleanup""",
    "cabinet": """
        Cabinet.dll: 10 11 13 20 22 23;
        LZ32.dll: LZOpenFile* LZCopy LZClose LZRead LZSeek""",
    # Functions of the C runtime DLL that user code calls; {crt} is the runtime in use.
    "crt_calls": """
        {crt}: memmove strcmp strlen strcpy strcat strstr strchr strrchr strncpy sprintf
        printf fprintf fopen fclose fread fwrite fseek ftell fgets atoi atol rand srand
        time toupper tolower _stricmp _strnicmp realloc calloc qsort strtok strtol
        _snprintf _vsnprintf sscanf isdigit isspace memcmp memchr _wcsicmp wcslen wcscpy
        wcscat wcsncpy wcschr wcsrchr wcsstr _itoa _beginthreadex _endthreadex abort exit
        floor ceil pow sqrt sin cos atan2 log exp _ftol strerror _errno getenv _access
        _mkdir _stat _open _close _read _write _lseek localtime mktime strftime _wtoi
        swprintf _snwprintf _wfopen setlocale longjmp _setjmp3 fabs fmod strspn strcspn
        _strdup isalpha isalnum fflush fputs fputc puts""",
    "cpp_library": """
        {cpp}: ??1?$basic_string@DU?$char_traits@D@std@@V?$allocator@D@2@@std@@QAE@XZ
        ??0?$basic_string@DU?$char_traits@D@std@@V?$allocator@D@2@@std@@QAE@PBD@Z
        ?_Xlength_error@std@@YAXPBD@Z ?_Xout_of_range@std@@YAXPBD@Z
        ?_Xbad_alloc@std@@YAXXZ ?cout@std@@3V?$basic_ostream@DU?$char_traits@D@std@@@1@A
        ?_Osfx@?$basic_ostream@DU?$char_traits@D@std@@@std@@QAEXXZ
        ?sputc@?$basic_streambuf@DU?$char_traits@D@std@@@std@@QAEHD@Z
        ?sputn@?$basic_streambuf@DU?$char_traits@D@std@@@std@@QAE_JPBD_J@Z
        ?setstate@?$basic_ios@DU?$char_traits@D@std@@@std@@QAEXH_N@Z
        ?flush@?$basic_ostream@DU?$char_traits@D@std@@@std@@QAEAAV12@XZ
        ?put@?$basic_ostream@DU?$char_traits@D@std@@@std@@QAEAAV12@D@Z
        ?uncaught_exception@std@@YA_NXZ ??0_Lockit@std@@QAE@H@Z ??1_Lockit@std@@QAE@XZ
        ?_Init@locale@std@@CAPAV_Locimp@12@_N@Z ?_BADOFF@std@@3_JB""",
    "vb_calls": """
        MSVBVM60.DLL: __vbaVarTstEq __vbaStrCmp __vbaVarMove __vbaLenBstr __vbaStrVarMove
        __vbaFreeStrList __vbaNew2 __vbaStrCopy __vbaOnError __vbaEnd __vbaVarDup
        __vbaStrCat __vbaAryUnlock __vbaAryLock __vbaRedim __vbaUbound __vbaLbound
        __vbaFileOpen __vbaFileClose __vbaGet3 __vbaPut3 __vbaInStr __vbaVarAdd __vbaI4Var
        __vbaI2I4 __vbaFpR8 __vbaStrToAnsi __vbaStrToUnicode __vbaObjSetAddref
        __vbaLateMemCall __vbaLateMemCallLd __vbaVarForInit __vbaVarForNext
        __vbaErrorOverflow __vbaGenerateBoundsError __vbaFreeObjList __vbaCastObj
        __vbaR8Str __vbaVarCat __vbaStrI4 __vbaStrI2 __vbaRecUniToAnsi __vbaRecAnsiToUni
        DllFunctionCall __vbaAryDestruct __vbaAryMove __vbaUI1I2 __vbaStrVarVal
        __vbaVarCopy __vbaVarTstNe __vbaFPInt __vbaVarLateMemSt __vbaErase __vbaWriteFile
        __vbaPrintFile __vbaLineInputStr ProcCallEngine MethCallEngine EVENT_SINK_Invoke
        Zombie_GetTypeInfo 516 517 519 520 526 528 531 535 537 540 546 552 561 570 571 576
        578 580 581 585 588 593 594 595 596 598 600 606 607 608 610 612 616 617 618 619
        631 632 645 648 650 666 667 669 685 689 690 693 697 698 709 711 712 713 716""",
    "api_sets": """
        api-ms-win-core-errorhandling-l1-1-0.dll: GetLastError SetLastError
        SetUnhandledExceptionFilter UnhandledExceptionFilter RaiseException;
        api-ms-win-core-processthreads-l1-1-0.dll: GetCurrentProcess GetCurrentProcessId
        GetCurrentThreadId TerminateProcess OpenProcessToken GetCurrentThread
        OpenThreadToken;
        api-ms-win-core-profile-l1-1-0.dll: QueryPerformanceCounter;
        api-ms-win-core-sysinfo-l1-1-0.dll: GetSystemTimeAsFileTime GetTickCount
        GetVersionExW;
        api-ms-win-core-heap-l1-1-0.dll: HeapAlloc HeapFree GetProcessHeap HeapReAlloc
        HeapSize;
        api-ms-win-core-synch-l1-1-0.dll: EnterCriticalSection LeaveCriticalSection
        DeleteCriticalSection InitializeCriticalSection SetEvent CreateEventW
        WaitForSingleObject AcquireSRWLockExclusive ReleaseSRWLockExclusive CreateMutexExW
        ReleaseMutex;
        api-ms-win-core-synch-l1-2-0.dll: Sleep InitOnceExecuteOnce
        WakeAllConditionVariable;
        api-ms-win-core-libraryloader-l1-2-0.dll: GetModuleHandleW GetProcAddress
        FreeLibrary GetModuleFileNameA GetModuleHandleExW LoadLibraryExW LoadStringW
        DisableThreadLibraryCalls;
        api-ms-win-core-handle-l1-1-0.dll: CloseHandle DuplicateHandle;
        api-ms-win-core-registry-l1-1-0.dll: RegCloseKey RegOpenKeyExW RegQueryValueExW
        RegSetValueExW RegCreateKeyExW RegEnumKeyExW RegGetValueW RegDeleteValueW;
        api-ms-win-core-rtlsupport-l1-1-0.dll: RtlCaptureContext RtlLookupFunctionEntry
        RtlVirtualUnwind;
        api-ms-win-core-string-l1-1-0.dll: MultiByteToWideChar WideCharToMultiByte
        CompareStringOrdinal CompareStringW;
        api-ms-win-core-localization-l1-2-0.dll: FormatMessageW GetLocaleInfoW;
        api-ms-win-core-debug-l1-1-0.dll: OutputDebugStringW IsDebuggerPresent DebugBreak;
        api-ms-win-core-com-l1-1-0.dll: CoCreateInstance CoTaskMemFree CoTaskMemAlloc
        StringFromGUID2 CoInitializeEx CoUninitialize;
        api-ms-win-core-file-l1-1-0.dll: CreateFileW ReadFile WriteFile FindFirstFileW
        FindClose GetFileAttributesW;
        api-ms-win-core-threadpool-l1-2-0.dll: CreateThreadpoolTimer SetThreadpoolTimer
        CloseThreadpoolTimer;
        api-ms-win-security-base-l1-1-0.dll: GetTokenInformation GetLengthSid CopySid;
        api-ms-win-eventing-provider-l1-1-0.dll: EventRegister EventUnregister
        EventWriteTransfer;
        ntdll.dll: RtlInitUnicodeString NtQueryInformationProcess RtlAllocateHeap
        RtlFreeHeap NtClose RtlNtStatusToDosError WinSqmAddToStream EtwTraceMessage""",
    "kernel_device": """
        ntoskrnl.exe: IoGetDeviceObjectPointer PsGetVersion MmGetSystemRoutineAddress
        ZwCreateFile ZwClose ZwQueryValueKey ZwOpenKey ExAcquireFastMutex
        ExReleaseFastMutex IoAttachDeviceToDeviceStack IoDetachDevice PoCallDriver
        PoStartNextPowerIrp IoAllocateIrp IoFreeIrp KeInitializeSpinLock
        KeAcquireSpinLockRaiseToDpc KeReleaseSpinLock IoAllocateMdl MmProbeAndLockPages
        MmUnlockPages IoFreeMdl RtlCompareMemory ObReferenceObjectByHandle
        PsCreateSystemThread PsTerminateSystemThread KeDelayExecutionThread
        IoRegisterShutdownNotification InterlockedIncrement InterlockedDecrement
        _except_handler3 KeInsertQueueDpc KeInitializeDpc KeQuerySystemTime
        RtlFreeUnicodeString ZwWriteFile IoBuildDeviceIoControlRequest IoConnectInterrupt
        IoGetAttachedDeviceReference;
        HAL.dll: KfAcquireSpinLock KfReleaseSpinLock KeGetCurrentIrql READ_PORT_UCHAR
        WRITE_PORT_UCHAR KeStallExecutionProcessor ExAcquireFastMutex ExReleaseFastMutex""",
    # DLLs that hardly any program needs and that crypters import to look like one.
    "decoy": """
        dbnmpntw.dll: ConnectionOpen ConnectionRead ConnectionWrite ConnectionClose
        ConnectionVer;
        cryptdll.dll: MD5Init MD5Update MD5Final CDLocateCSystem CDGenerateRandomBits;
        resutils.dll: ResUtilGetPropertySize ResUtilDupString ResUtilFreeEnvironment
        ClusWorkerCreate;
        ifsutil.dll: ?QueryFileSystemName@IFS_SYSTEM@@;
        ulib.dll: ?Initialize@WSTRING@@;
        rtm.dll: RtmAddNextHop RtmGetRouteInfo RtmReleaseDests;
        nddeapi.dll: 500 502 506 508 509 510;
        winsta.dll: WinStationOpenServerW WinStationQueryInformationW;
        tapi32.dll: lineInitialize lineShutdown lineGetDevCapsA phoneOpen;
        msacm32.dll: acmStreamOpen acmFormatSuggest acmDriverDetailsA acmMetrics;
        avifil32.dll: AVIFileInit AVIFileExit AVIStreamGetFrame AVIStreamOpenFromFileA;
        msvfw32.dll: ICOpen ICClose DrawDibOpen DrawDibDraw MCIWndCreateA;
        avicap32.dll: capCreateCaptureWindowA capGetDriverDescriptionA;
        odbc32.dll: 2 4 5 9 13 24 31;
        rasapi32.dll: RasEnumEntriesA RasDialA RasHangUpA RasGetEntryDialParamsA;
        pdh.dll: PdhOpenQueryA PdhAddCounterA PdhCollectQueryData;
        clusapi.dll: OpenCluster CloseCluster ClusterEnum;
        mapi32.dll: 11 15 16 17 21;
        esent.dll: JetInit JetTerm JetBeginSession;
        wsnmp32.dll: 101 202 301;
        rsaenh.dll: CPAcquireContext CPCreateHash CPHashData;
        lpk.dll: LpkInitialize LpkTabbedTextOut;
        cfgmgr32.dll: CM_Locate_DevNodeA CM_Get_Parent;
        mprapi.dll: MprConfigServerConnect MprAdminServerConnect;
        activeds.dll: 3 9 13 15;
        authz.dll: AuthzFreeContext AuthzAccessCheck;
        query.dll: LoadIFilter BindIFilterFromStream;
        oledlg.dll: 1 3 8;
        wintrust.dll: WTHelperGetProvSignerFromChain;
        glu32.dll: gluPerspective gluLookAt""",
}

CAPABILITIES: dict[str, Imports] = {name: parse(text) for name, text in _CAPABILITIES.items()}

# Ordinal imports of these DLLs are resolved to names by the parser that EMBER used, and so they
# count as imported functions; those of other DLLs do not.
RESOLVED_ORDINALS = frozenset({"oleaut32.dll", "ws2_32.dll", "comctl32.dll", "shlwapi.dll"})

# Libraries of third parties that goodware is linked against, with the language of their names.
THIRD_PARTY = tuple(
    (name.split(":")[0], name.split(":")[1])
    for name in words("""
    libvlccore.dll:vlc python27.dll:py python36.dll:py libpython2.7.dll:py Qt5Core.dll:cpp
    Qt5Gui.dll:cpp Qt5Widgets.dll:cpp QtCore4.dll:cpp QtGui4.dll:cpp libglib-2.0-0.dll:g
    libgobject-2.0-0.dll:g libgtk-win32-2.0-0.dll:g libgcc_s_dw2-1.dll:gcc libstdc++-6.dll:gxx
    libeay32.dll:c ssleay32.dll:c zlib1.dll:c libpng16-16.dll:c libxml2.dll:c sqlite3.dll:c
    libcurl.dll:c SDL2.dll:c SDL.dll:c lua51.dll:c libapr-1.dll:c libhttpd.dll:c
    libaprutil-1.dll:c avcodec-57.dll:c avutil-55.dll:c libintl-8.dll:c libiconv-2.dll:c
    jvm.dll:c java.dll:jni opencv_core249.dll:cpp boost_system-vc120-mt-1_55.dll:cpp
    wxbase28u_vc.dll:cpp wxmsw28u_core_vc.dll:cpp icuuc55.dll:c Engine.dll:cpp Core.dll:cpp
    tcl86.dll:c perl514.dll:c ruby18.dll:c php5ts.dll:c msvcp_win.dll:cpp nspr4.dll:c
    nss3.dll:c xul.dll:cpp mozglue.dll:c sal3.dll:c cppu3.dll:cpp cygwin1.dll:c msys-2.0.dll:c
    PNCRT.dll:c
""")
)

# Words that identifiers are made of; private libraries and exports are named with them.
WORDS = words("""
    Get Set Create Open Close Init Load Save Read Write Update Delete Find Add Remove Enum Is
    Has On Process Start Stop Begin End Register Query Send Receive Draw Parse Format Convert
    Copy Move Attach Release Lock Check Enable Show Hide Reset Flush Build Apply Import Export
    Validate
""")
NOUNS = words("""
    File Data Config Window Item List Node Buffer Stream Device Table Value Name Text Image
    Font Color Session Object Handle Event Message Module Plugin Version Options Settings
    Record Field Index Path String Array Map Cache User Server Client Socket Frame Track Audio
    Video Codec Filter View Layer Mesh Texture Shader Script Engine Manager Service Driver
    Printer Document Page Report Log Timer Thread Queue Task State Type Info Error Result Size
    Count Length Offset Position Range
""")
PREFIXES = words("""
    av sf mq gc um rt hp nv ati adb vb ms ie sys net db ui gfx snd core util base common xml
    lib my cad pdf scan usb wlan mail chat game map doc img crypt zip sql web http ftp print
    setup patch lang
""")
COM_EXPORTS = ("DllCanUnloadNow", "DllGetClassObject", "DllRegisterServer", "DllUnregisterServer")

# Section names that packers and protectors leave.
PACKER_SECTIONS = {
    "upx": ("UPX0", "UPX1"),
    "aspack": (".aspack", ".adata"),
    "mpress": (".MPRESS1", ".MPRESS2"),
    "themida": (".themida", ".boot"),
    "vmprotect": (".vmp0", ".vmp1"),
    "petite": (".petite", ".rsrc"),
    "fsg": ("", ""),
    "nspack": (".nsp0", ".nsp1"),
    "mew": ("MEW", ".rsrc"),
    "enigma": (".enigma1", ".enigma2"),
    "pecompact": (".text", ".rsrc"),
}
# Names that file infectors give to the section they append to a host.
INFECTOR_SECTIONS = (
    ".rmnet",
    ".UPX",
    ".text",
    ".virut",
    ".data",
    ".tls",
    "kkrunchy",
    ".adata",
    ".qnk",
)
